import { describe, expect, it } from "vitest";

import { layOut, within } from "./layout.ts";

describe("layout", () => {
  it.each([[351, 2], [1248, 5], [2528, 12]])("of a grid %i pixels wide has %i columns", (width, columns) => {
    expect(layOut(width, 1000, 200).columns).toBe(columns);
  });

  it("has a place for each picture, and the last row may be short", () => {
    expect(layOut(1248, 1001, 200)).toMatchObject({ rows: 201, count: 1001 });
  });
});

describe("a rectangle", () => {
  const layout = layOut(1040, 12, 200); // 5 columns of 200, rows of 220 with the gap
  it("touches the pictures under it, row by row", () => {
    expect(within(layout, { left: 215, top: 100, right: 420, bottom: 300 })).toEqual([1, 2, 6, 7]);
  });

  it("in a gap touches none", () => {
    expect(within(layout, { left: 201, top: 10, right: 209, bottom: 20 })).toEqual([]);
  });

  it("beyond the last picture touches only what is there", () => {
    expect(within(layout, { left: -50, top: 431, right: 5000, bottom: 9000 })).toEqual([10, 11]);
  });
});
