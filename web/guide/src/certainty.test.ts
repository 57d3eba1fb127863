import { expect, test } from "vitest";

import { verdictOf } from "./certainty.ts";
import { type Guide, makeAnswer } from "./guide.ts";

const NAMES = ["Rosa canina", "Rosa gallica", "Tulipa agenensis", "Viola"];
const PARENTS = ["Rosa", "Rosa", "Tulipa", ""];

function verdict(probs: readonly number[], parents: readonly string[] = PARENTS, names = NAMES) {
  const classes = names.map((name, place) => ({ name, about: "", links: [], examples: [], parent: parents[place] ?? "" }));
  return verdictOf({ classes, unsureBelow: 0.6 } as unknown as Guide, makeAnswer(probs, 0, -1));
}

test("the words go by the probability, and by what the guide calls unsure", () => {
  const levels = [0.999, 0.97, 0.95, 0.9, 0.89, 0.6, 0.59].map((prob) => verdict([0, 0, 0, prob]).level);
  expect(levels).toEqual(["certain", "certain", "sure", "sure", "leaning", "leaning", "unsure"]);
});

test("the genus stands where the species is unsure and the genus is not", () => {
  expect(verdict([0.5, 0.4, 0.1, 0])).toMatchObject({ parent: "Rosa", level: "sure" });
  expect(verdict([0.5, 0.4, 0.1, 0]).prob).toBeCloseTo(0.9);
  expect(verdict([0.6, 0.4, 0, 0])).toMatchObject({ parent: "", prob: 0.6 });
  expect(verdict([0.3, 0.25, 0.45, 0])).toMatchObject({ parent: "", level: "unsure" });
  expect(verdict([0.4, 0.15, 0, 0.45])).toMatchObject({ parent: "", prob: 0.45 });
});

test("a class that others are a kind of is one of its own; a parent of one class is none", () => {
  expect(verdict([0.5, 0.3, 0.2, 0], ["", "Rosa", "", ""], ["Rosa", "Rosa gallica", "x", "y"])).toMatchObject({ parent: "Rosa", prob: 0.8 });
  expect(verdict([0.1, 0.1, 0.5, 0.3])).toMatchObject({ parent: "" });
});

test("odds are counted among ten, or a hundred, and nothing is said to be always right", () => {
  expect([0.78, 0.42, 0.97, 1].map((prob) => verdict([0, 0, 0, prob])).map(({ right, of }) => [right, of]))
    .toEqual([[8, 10], [4, 10], [97, 100], [99, 100]]);
});
