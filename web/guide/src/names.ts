/** What a class is called in the language of the page. */

import type { Guide, GuideClass } from "./guide.ts";
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

/** Return the guide with its classes called by their names in a language, but where another is called so too. */
export function inLanguage(guide: Guide, language: string): Guide {
  const bearers = new Map<string, number>();
  for (const it of guide.classes) {
    for (const name of new Set([it.name, nameIn(it, language)])) bearers.set(name, (bearers.get(name) ?? 0) + 1);
  }
  const classes = guide.classes.map((it) => {
    const name = nameIn(it, language);
    return { ...it, ownName: it.name, name: bearers.get(name) === 1 ? name : it.name };
  });
  return { ...guide, classes };
}

/** Find a class by its own name, else by one that it has in some language. */
export function findClass(guide: Guide, name: string): GuideClass | undefined {
  return guide.classes.find((it) => it.name === name) ?? guide.classes.find((it) => Object.values(it.names ?? {}).includes(name));
}

/** What classes are called in the language that the page is shown in. */
export function useNames(): (it: Pick<GuideClass, "name" | "names">) => string {
  const language = useLanguage();
  return (it) => nameIn(it, language);
}
