import { describe, expect, it } from "vitest";

import { countFilters, listQuery, UNFILTERED, type View } from "./view.ts";

const view: View = { order: "worst", like: null, picture: "abc", ...UNFILTERED };

describe("the query of a view", () => {
  it("names the order and no filter", () => {
    expect(listQuery(view).toString()).toBe("order=worst");
  });

  it("tells no filter from the filter for none", () => {
    const filtered = { ...view, decision: "", class_name: "tea rose & co" };
    expect(listQuery(filtered).toString()).toBe("order=worst&class_name=tea+rose+%26+co&decision=");
    expect(countFilters(filtered)).toBe(2);
  });
});
