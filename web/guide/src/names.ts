/** What a class is called in a language. */

import type { Guide, GuideClass } from "./guide.ts";

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

/** Return the classes, in each language with the own name behind a name that another class has there too. */
export function distinguish(classes: readonly GuideClass[]): readonly GuideClass[] {
  const languages = new Set(classes.flatMap(({ names }) => Object.keys(names ?? {})));
  const bearers = new Map([...languages].map((language) => [language, countNames(classes, language)]));
  return classes.map((it) => {
    if (!it.names) return it;
    const names = Object.entries(it.names).map(([language, name]) => {
      const isShared = name !== it.name && (bearers.get(language)?.get(name) ?? 0) > 1;
      return [language, isShared ? `${name} (${it.name})` : name];
    });
    return { ...it, names: Object.fromEntries(names) as Record<string, string> };
  });
}

/** Count the classes of each name, own names too: they stand where a language has none. */
function countNames(classes: readonly GuideClass[], language: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const it of classes) {
    for (const name of new Set([it.name, nameIn(it, language)])) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Find a class by its own name, else by one that it has in some language. */
export function findClass(guide: Guide, name: string): GuideClass | undefined {
  return guide.classes.find((it) => it.name === name) ?? guide.classes.find((it) => Object.values(it.names ?? {}).includes(name));
}
