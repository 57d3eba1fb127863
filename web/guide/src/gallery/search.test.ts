import { expect, test } from "vitest";

import type { Guide, GuideClass } from "../guide.ts";
import { distinguish, findClass, nameIn, otherNames } from "../names.ts";
import { search, sort } from "./search.ts";

const CLASSES: readonly GuideClass[] = [
  { name: "rose", parent: "Rosaceae", names: { de: "Rose", es: "rosa" }, about: "It has thorns.", links: [], examples: [] },
  { name: "snow-drop", names: { de: "Schneeglöckchen", la: "Galanthus" }, about: "", links: [], examples: [] },
  { name: "beetle", names: { de: "Käfer" }, about: "Six legs.", links: [], examples: [] },
];
const names = (found: readonly { name: string }[]) => found.map(({ name }) => name);

test("any name in any language finds a class, without its accents, and so does what it is a kind of and what is said of it", () => {
  expect(names(search(CLASSES, ""))).toEqual(["rose", "snow-drop", "beetle"]);
  for (const query of ["Kaf", "KÄFER", "legs six", "beet"]) expect(names(search(CLASSES, query))).toEqual(["beetle"]);
  expect(names(search(CLASSES, "rosaceae"))).toEqual(["rose"]);
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

test("a name that two would have in a language stands with its own behind it", () => {
  const twins: readonly Pick<GuideClass, "name" | "names">[] = [{ name: "a", names: { de: "Lilie" } }, { name: "b", names: { de: "Lilie", es: "lirio" } }, { name: "c", names: { de: "a" } }, { name: "d", names: { de: "D" } }];
  const classes = distinguish(twins.map((it) => ({ ...it, about: "", links: [], examples: [] })));
  expect(classes.map((it) => nameIn(it, "de"))).toEqual(["Lilie (a)", "Lilie (b)", "a (c)", "D"]);
  expect(classes.map((it) => nameIn(it, "es"))).toEqual(["a", "lirio", "c", "d"]);
  const guide = { classes } as unknown as Guide;
  expect(["D", "a", "Lilie (b)", "x"].map((name) => findClass(guide, name)?.name)).toEqual(["d", "a", "b", undefined]);
  expect(names(search(classes, "lilie"))).toEqual(["a", "b"]);
});
