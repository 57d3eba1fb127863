import { expect, it } from "vitest";

import { asSentence, asWords, count, formatBytes, formatTime, nameCopy } from "./words.ts";

it("counts are written with the noun that goes with them", () => {
  expect([count(1, "picture"), count(1310, "picture"), count(0, "picture")]).toEqual(["1 picture", "1,310 pictures", "0 pictures"]);
});

it("sizes are written short", () => {
  expect([312, 4321, 81234, 2_345_678].map(formatBytes)).toEqual(["312 bytes", "4.3 kB", "81 kB", "2.3 MB"]);
});

it("codes are written as words, and a time that is none as it came", () => {
  expect(asWords("two_labels")).toBe("two labels");
  expect(formatTime("once")).toBe("once");
});

it("what a server says is written as a sentence", () => {
  expect(["no space left", "Is it running?"].map(asSentence)).toEqual(["No space left.", "Is it running?"]);
});

it("a copy is called kept only where it is", () => {
  const names = ["kept", "suspect", "rejected"].map((state) => nameCopy({ sha256: "a", state }, "a"));
  expect(names).toEqual(["the copy that is kept", "the copy that is kept", "a near-copy"]);
  expect(nameCopy({ sha256: "b", state: "kept" }, "a")).toBe("a near-copy");
});
