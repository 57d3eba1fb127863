/** What a class is called in the language of the page. */

import type { GuideClass } from "./guide.ts";
import { useLanguage } from "./words/index.ts";

/** Return the class's name in a language, its own name where there is none. */
export function nameIn(it: Pick<GuideClass, "name" | "names">, language: string): string {
  return it.names?.[language] ?? it.name;
}

/** Return its other names, in whatever language, each once. */
export function otherNames(it: Pick<GuideClass, "name" | "names">, language: string): readonly (readonly [string | null, string])[] {
  const shown = new Set([nameIn(it, language)]);
  const names: [string | null, string][] = [[null, it.name], ...Object.entries(it.names ?? {})];
  return names.filter(([, name]) => {
    const isNew = !shown.has(name);
    shown.add(name);
    return isNew;
  });
}

/** What classes are called in the language that the page is shown in. */
export function useNames(): (it: Pick<GuideClass, "name" | "names">) => string {
  const language = useLanguage();
  return (it) => nameIn(it, language);
}
