import { expect, test } from "vitest";

import { address, readRoute, type Route } from "./route.ts";

const ROUTES: readonly Route[] = [
  { kind: "ask" }, { kind: "gallery", query: "", order: "name" }, { kind: "gallery", query: "a & b=c #?", order: "hardest" }, { kind: "about" }, { kind: "privacy" },
  { kind: "class", name: `100 % "><img src=x>/#?&`, beside: null }, { kind: "class", name: "rose", beside: "Größe + 1" },
];

test.each(ROUTES)("an address leads back to what it was written for: %o", (route) => {
  expect(readRoute(address(route))).toEqual(route);
});

test("addresses typed by hand, and those of nothing", () => {
  expect(readRoute("")).toEqual({ kind: "ask" });
  expect(readRoute("#")).toEqual({ kind: "ask" });
  expect(readRoute("#/class/100%")).toEqual({ kind: "class", name: "100%", beside: null });
  for (const hash of ["#/nothing", "#/class/", "#/about/more", "#/gallery/more"]) expect(readRoute(hash)).toEqual({ kind: "unknown" });
});
