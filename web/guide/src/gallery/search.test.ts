import { expect, test } from "vitest";

import type { Guide, GuideClass } from "../guide.ts";
import { findClass, inLanguage, nameIn, otherNames } from "../names.ts";
import { search, sort } from "./search.ts";

const CLASSES: readonly GuideClass[] = [
  { name: "rose", names: { de: "Rose", es: "rosa" }, about: "It has thorns.", links: [], examples: [] },
  { name: "snow-drop", names: { de: "Schneeglöckchen", la: "Galanthus" }, about: "", links: [], examples: [] },
  { name: "beetle", names: { de: "Käfer" }, about: "Six legs.", links: [], examples: [] },
];
const names = (found: readonly { name: string }[]) => found.map(({ name }) => name);

test("any name in any language finds a class, without its accents, and so does what is said of it", () => {
  expect(names(search(CLASSES, ""))).toEqual(["rose", "snow-drop", "beetle"]);
  for (const query of ["Kaf", "KÄFER", "legs six", "beet"]) expect(names(search(CLASSES, query))).toEqual(["beetle"]);
  for (const query of ["glockchen", "snow drop", " galan "]) expect(names(search(CLASSES, query))).toEqual(["snow-drop"]);
  expect(search(CLASSES, "<img src=x>")).toEqual([]);
});

test("they stand in the order of the language, or the hardest first", () => {
  const score = (f1: number) => ({ precision: 0, recall: 0, f1, support: 3 });
  const scores = { rose: score(0.9), beetle: score(0.5) };
  expect(names(sort(CLASSES, "name", "en", scores))).toEqual(["beetle", "rose", "snow-drop"]);
  expect(names(sort(CLASSES, "name", "de", scores))).toEqual(["beetle", "rose", "snow-drop"]);
  expect(names(sort(CLASSES, "hardest", "en", scores))).toEqual(["beetle", "rose", "snow-drop"]);
  expect(names(sort(CLASSES, "hardest", "en", { rose: score(0.1), beetle: score(0.5) }))).toEqual(["rose", "beetle", "snow-drop"]);
});

test("a name in the language of the page, else its own; the others once each", () => {
  const [rose, drop] = CLASSES;
  if (!rose || !drop) throw new Error("no classes");
  expect([nameIn(rose, "de"), nameIn(drop, "es")]).toEqual(["Rose", "snow-drop"]);
  expect(otherNames(rose, "es")).toEqual([[null, "rose"], ["de", "Rose"]]);
  expect(otherNames(drop, "de")).toEqual([[null, "snow-drop"], ["la", "Galanthus"]]);
});

test("a guide in a language has the names of it, but none that two would have, and remembers its own", () => {
  const twins = [{ name: "a", names: { de: "Lilie" } }, { name: "b", names: { de: "Lilie" } }, { name: "c", names: { de: "a" } }, { name: "d", names: { de: "D" } }];
  const guide = { classes: twins.map((it) => ({ ...it, about: "", links: [], examples: [] })) } as unknown as Guide;
  const { classes } = inLanguage(guide, "de");
  expect(names(classes)).toEqual(["a", "b", "c", "D"]);
  expect(classes.map(({ ownName }) => ownName)).toEqual(["a", "b", "c", "d"]);
  expect([findClass(guide, "D")?.name, findClass(guide, "a")?.name, findClass(guide, "x")]).toEqual(["d", "a", undefined]);
});
