import { describe, expect, it } from "vitest";

import { shiftAt, shiftFor, spanOf } from "./span.ts";

const ROWS = 500_000; // a million pictures on a phone
const span = spanOf(ROWS, 200);

describe("the rows that have a place", () => {
  it("are all of a list that a browser can draw, and are never shifted", () => {
    const all = spanOf(20_000, 200);
    expect(all).toEqual({ placed: 20_000, hidden: 0 });
    expect([shiftAt(all, 19_990), shiftFor(all, 19_999, 0)]).toEqual([0, 0]);
  });

  it("of a longer one are as many as a browser can draw", () => {
    expect(span).toEqual({ placed: 50_000, hidden: 450_000 });
  });
});

describe("a bar that is dragged", () => {
  it("goes from the first row to the last and never back", () => {
    const rows = Array.from({ length: span.placed }, (_, place) => place + shiftAt(span, place));
    expect([rows[0], rows.at(-1)]).toEqual([0, ROWS - 1]);
    expect(rows.every((row, place) => place === 0 || row > (rows[place - 1] ?? 0))).toBe(true);
    expect(rows[span.placed / 2]).toBeCloseTo(ROWS / 2, -2);
  });
});

describe("a row", () => {
  it.each([0, 1, 4_999, 5_001, 250_000, 494_998, 499_999])("%i can be reached from any other", (row) => {
    for (const from of [0, 1_000, 249_000, 450_000]) {
      const shift = shiftFor(span, row, from);
      expect(shift).toBeGreaterThanOrEqual(0);
      expect(shift).toBeLessThanOrEqual(span.hidden);
      expect(row - shift).toBeGreaterThanOrEqual(0);
      expect(row - shift).toBeLessThan(span.placed);
    }
  });

  it("that stands well inside shifts nothing, one near an end where more rows follow does", () => {
    expect(shiftFor(span, 130_000, 100_000)).toBe(100_000);
    expect(shiftFor(span, 149_000, 100_000)).not.toBe(100_000);
    expect(shiftFor(span, 101_000, 100_000)).not.toBe(100_000);
    expect(shiftFor(span, 499_999, span.hidden)).toBe(span.hidden);
  });

  it("that is brought into sight stays there when the scrolling rests", () => {
    const shift = shiftFor(span, 149_000, 100_000);
    expect(shiftFor(span, 149_003, shift)).toBe(shift);
  });
});
