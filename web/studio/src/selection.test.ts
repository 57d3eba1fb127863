import { describe, expect, it } from "vitest";

import { moveTo, NOTHING, pick, selectAll, targets, toggle } from "./selection.ts";

describe("selection", () => {
  it("moves within the list", () => {
    expect(moveTo(NOTHING, -3, 10, false).active).toBe(0);
    expect(moveTo(NOTHING, 99, 10, false).active).toBe(9);
  });

  it("extends from where it began, and shrinks on the way back", () => {
    const from = pick(4);
    expect([...moveTo(from, 7, 10, true).selected]).toEqual([4, 5, 6, 7]);
    expect([...moveTo(moveTo(from, 7, 10, true), 3, 10, true).selected]).toEqual([3, 4]);
  });

  it("toggles one and keeps the others", () => {
    const three = selectAll(NOTHING, [1, 2, 3]);
    expect([...toggle(three, 2).selected]).toEqual([1, 3]);
    expect([...toggle(three, 5).selected]).toEqual([1, 2, 3, 5]);
  });

  it("adds what a rectangle touches", () => {
    expect([...selectAll(selectAll(NOTHING, [1]), [5, 6], true).selected]).toEqual([1, 5, 6]);
  });

  it("is about the active picture where nothing is selected", () => {
    expect(targets(pick(4))).toEqual([4]);
    expect(targets(selectAll(pick(4), [10, 9]))).toEqual([9, 10]);
  });
});
