import { expect, test } from "vitest";

import type { Rows, View } from "./prepare.ts";
import { decodeScale, shrink } from "./shrink.ts";

const SQUASH: View = { size: 224, fit: "squash", resize_shorter: 256, mirrored: false };

/** A picture whose channels are functions of the place. */
function drawn(width: number, height: number, value: (x: number, y: number, channel: number) => number): Rows {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let at = 0; at < data.length; at++) {
    const pixel = Math.floor(at / 4);
    data[at] = value(pixel % width, Math.floor(pixel / width), at % 4);
  }
  return { width, height, read: (top, count) => data.subarray(top * width * 4, (top + count) * width * 4) };
}

test.each([
  [447, 900, SQUASH, 1], [895, 2000, SQUASH, 1], [896, 2000, SQUASH, 2], [4000, 1791, SQUASH, 2], [4000, 1792, SQUASH, 4],
  [9000, 9000, SQUASH, 8], [1023, 1023, { ...SQUASH, fit: "crop" } as const, 1], [1024, 1024, { ...SQUASH, fit: "crop" } as const, 2],
])("a JPEG of %i × %i is decoded at the scale that Python takes", (width, height, view, scale) => {
  expect(decodeScale(width, height, view)).toBe(scale);
});

test.each([2, 4, 8])("%i times: a flat picture stays as it is, whatever its size", (scale) => {
  const small = shrink(drawn(37, 150, (_x, _y, channel) => [200, 3, 90, 255][channel] ?? 0), scale);
  expect([small.width, small.height]).toEqual([Math.ceil(37 / scale), Math.ceil(150 / scale)]);
  for (let at = 0; at < small.data.length; at++) expect(small.data[at]).toBe([200, 3, 90, 255][at % 4]);
});

test("8 times is the mean of each block", () => {
  const picture = drawn(16, 8, (x, y, channel) => (x < 8 ? 7 * x + 11 * y + channel : 255 - 9 * (x - 8) - y));
  const small = shrink(picture, 8);
  const mean = (left: number, channel: number) => {
    let sum = 0;
    for (let y = 0; y < 8; y++) for (let x = left; x < left + 8; x++) sum += picture.read(y, 1)[x * 4 + channel] ?? 0;
    return Math.round(sum / 64);
  };
  for (const channel of [0, 1, 2]) expect([small.data[channel], small.data[4 + channel]]).toEqual([mean(0, channel), mean(8, channel)]);
});

test.each([2, 4])("%i times: waves that the small block holds stay, faster ones go", (scale) => {
  const n = 8 / scale;
  const wave = (k: number, size: number) => (x: number) => 128 + 60 * Math.cos((Math.PI * (2 * x + 1) * k) / (2 * size));
  for (let k = 1; k < 8; k++) {
    const small = shrink(drawn(8, 8, wave(k, 8)), scale);
    for (let x = 0; x < n; x++) {
      const expected = k < n ? wave(k, n)(x) : 128;
      expect(Math.abs((small.data[x * 4] ?? 0) - expected)).toBeLessThan(1.5);
    }
  }
});
