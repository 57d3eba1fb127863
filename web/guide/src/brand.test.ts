import { expect, test } from "vitest";

import { accentsOf, contrast, readColour } from "./brand.ts";

const GROUNDS = { light: ["#ffffff", "#f7f6f1", "#e9ede4"], dark: ["#14170f", "#1b201c", "#282f2a"] } as const;
const rgb = (text: string) => readColour(text) ?? [0, 0, 0];

test("contrast is that of WCAG", () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
  expect(contrast([119, 119, 119], [255, 255, 255])).toBeCloseTo(4.48, 2);
});

test.each(["#ffff00", "#000000", "#ffffff", "#7a2e8e", "#808080", "#00ff00", "#0000ff", "#F0A"  + "0F0"])("%s can be read in both schemes", (colour) => {
  const accents = accentsOf(colour);
  if (!accents) throw new Error("no colour");
  for (const scheme of ["light", "dark"] as const) {
    const { accent, onAccent } = accents[scheme];
    for (const ground of GROUNDS[scheme]) expect(contrast(rgb(accent), rgb(ground))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(rgb(accent), rgb(onAccent))).toBeGreaterThanOrEqual(4.5);
  }
});

test("a colour that can be read stays as it is, and nothing else is taken for one", () => {
  expect(accentsOf("#1f6b4f")?.light.accent).toBe("#1f6b4f");
  for (const text of ["", "red", "#12", "#12345g", "#fff;background:url(x)"]) expect(accentsOf(text)).toBeNull();
});
