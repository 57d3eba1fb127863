/** Finding classes by what is typed, in any language that they have names in, and their order. */

import type { GuideClass, Scores } from "../guide.ts";
import { nameIn } from "../names.ts";

export type Order = "name" | "hardest";

/** Return the classes that have every word typed in one of their names, in what they are a kind of or in what is said of them. */
export function search(classes: readonly GuideClass[], query: string): readonly GuideClass[] {
  const words = fold(query).split(" ").filter((word) => word !== "");
  return classes.filter((it) => {
    const text = fold([it.name, ...Object.values(it.names ?? {}), it.parent ?? "", it.about].join(" "));
    return words.every((word) => text.includes(word));
  });
}

/** Return them by their name in a language, or the least often recognised first. */
export function sort(classes: readonly GuideClass[], order: Order, language: string, scores: Scores["per_class"]): readonly GuideClass[] {
  const collator = new Intl.Collator(language, { numeric: true });
  const byName = (a: GuideClass, b: GuideClass) => collator.compare(nameIn(a, language), nameIn(b, language));
  const f1 = (it: GuideClass) => scores[it.name]?.f1 ?? 2;
  return [...classes].sort((a, b) => (order === "hardest" ? f1(a) - f1(b) : 0) || byName(a, b));
}

/** Return the text as it is looked up by: small letters without accents, single spaces. */
function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase().replace(/[\s_-]+/g, " ").trim();
}
