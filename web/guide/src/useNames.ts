import type { GuideClass } from "./guide.ts";
import { nameIn } from "./names.ts";
import { useLanguage } from "./words/index.ts";

/** What classes are called in the language that the page is shown in. */
export function useNames(): (it: Pick<GuideClass, "name" | "names">) => string {
  const language = useLanguage();
  return (it) => nameIn(it, language);
}
