import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { prepareViews, type Rows, type View } from "./prepare.ts";

interface Case {
  width: number;
  height: number;
  seed: number;
  preprocessing: { size: number; fit: View["fit"]; resize_shorter: number };
  pixels: string;
}

const VECTORS = new URL("../../../tests/vectors/resize.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(VECTORS, "utf8")) as { cases: Case[] };

/** A picture of the vectors' noise: see docs/preprocessing.md. */
function noise(width: number, height: number, seed: number): Rows & { reads: number } {
  const rgba = new Uint8Array(width * height * 4).fill(77);
  for (let at = 0, x = seed; at < width * height * 3; at++) {
    rgba[Math.floor(at / 3) * 4 + (at % 3)] = x >>> 24;
    x = (Math.imul(1664525, x) + 1013904223) >>> 0;
  }
  return {
    width, height, reads: 0,
    read(top, count) {
      this.reads++;
      return rgba.subarray(top * width * 4, (top + count) * width * 4);
    },
  };
}

const prepare = (picture: Rows, views: readonly View[]) => prepareViews(() => picture, views);
const expected = (it: Case) => Uint8Array.from(Buffer.from(it.pixels, "base64"));
const viewOf = (it: Case, mirrored = false): View => ({ ...it.preprocessing, mirrored });

test.each(cases)("the vector of $width × $height, $preprocessing.fit", (it) => {
  expect(prepare(noise(it.width, it.height, it.seed), [viewOf(it)])).toEqual(expected(it));
});

test("several views are stacked, a mirrored one turned left to right", () => {
  const it = cases.find(({ preprocessing }) => preprocessing.fit === "crop");
  if (!it) throw new Error("no crop among the vectors");
  const { size } = it.preprocessing;
  const picture = noise(it.width, it.height, it.seed);
  const squash: View = { ...viewOf(it), fit: "squash" };
  const views = prepare(picture, [squash, viewOf(it), viewOf(it, true)]);
  const [first, second, third] = [0, 1, 2].map((place) => views.subarray(place * size * size * 3, (place + 1) * size * size * 3));
  expect(picture.reads).toBe(1);
  expect(first).toEqual(prepare(picture, [squash]));
  expect(second).toEqual(expected(it));
  const row = (square: Uint8Array | undefined, y: number) =>
    Array.from({ length: size }, (_, x) => [...(square?.subarray((y * size + x) * 3, (y * size + x) * 3 + 3) ?? [])]);
  for (let y = 0; y < size; y++) expect(row(third, y)).toEqual(row(second, y).reverse());
});

test("views of different rows are made from their own", () => {
  const [one, other] = [noise(30, 20, 1), noise(30, 20, 2)];
  const view: View = { size: 6, fit: "squash", resize_shorter: 6, mirrored: false };
  const crop: View = { ...view, fit: "crop" };
  const views = prepareViews((it) => (it.fit === "crop" ? other : one), [view, crop]);
  expect(views.subarray(0, 108)).toEqual(prepare(one, [view]));
  expect(views.subarray(108)).toEqual(prepare(other, [crop]));
});

test("a large picture is read in strips, with the same result", () => {
  const picture = noise(1200, 2000, 5);
  const view: View = { size: 8, fit: "squash", resize_shorter: 8, mirrored: false };
  const whole = prepare(picture, [view]);
  expect(picture.reads).toBeGreaterThan(1);
  const tall: Rows = { ...picture, read: (top, count) => picture.read(top, count).slice() };
  expect(prepare(tall, [view])).toEqual(whole);
  expect(Math.abs(whole.reduce((sum, value) => sum + value, 0) / whole.length - 127.5)).toBeLessThan(2);
});

// What a port gets wrong most often; the vectors tell each of them from the right one.
test.each([
  ["squash instead of crop", (it: Case): View => ({ ...viewOf(it), fit: it.preprocessing.fit === "crop" ? "squash" : "crop" })],
  ["mirrored", (it: Case): View => viewOf(it, true)],
  ["another size of the crop", (it: Case): View => ({ ...viewOf(it), fit: "crop", resize_shorter: it.preprocessing.resize_shorter + 3 })],
])("%s is not what the vectors hold", (_, wrong) => {
  const differing = cases.filter((it) => {
    const square = prepare(noise(it.width, it.height, it.seed), [wrong(it)]);
    return !square.every((value, at) => value === expected(it)[at]);
  });
  expect(differing.length).toBeGreaterThan(cases.length / 2);
});

test("a crop larger than the picture is refused", () => {
  expect(() => prepare(noise(9, 9, 1), [{ size: 9, fit: "crop", resize_shorter: 8, mirrored: false }])).toThrow(RangeError);
});
