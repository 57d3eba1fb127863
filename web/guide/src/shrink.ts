/**
 * A whole JPEG to the smaller scale at which Python decodes it: 1/2, 1/4 or 1/8.
 *
 * A browser decodes a JPEG whole. Python's decoder leaves out the high frequencies of each block of 8 × 8 pixels and
 * computes fewer pixels from the rest (ITU-T T.81, A.3.3; libjpeg's scaled inverse DCT). The same is done here from the
 * pixels: the DCT of each block, of which the low frequencies go through the inverse DCT of the smaller block. As both
 * are linear, that is one small matrix along rows and along columns. The chroma, which most files keep at half the size,
 * comes out a level apart at most places.
 */

import type { Rows, View } from "./prepare.ts";

const BLOCK = 8;
const FACTOR = 2; // DECODE_FACTOR of fieldguide/images/preprocess.py
const STRIP_BLOCKS = 8; // rows of blocks that are read at once

/** A picture held whole, RGBA. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/** Return how many times smaller Python decodes a JPEG of this size for a view: 1, 2, 4 or 8. */
export function decodeScale(width: number, height: number, view: View): number {
  const atLeast = FACTOR * (view.fit === "crop" ? view.resize_shorter : view.size);
  const most = Math.floor(Math.min(width, height) / atLeast);
  return [8, 4, 2].find((scale) => most >= scale) ?? 1;
}

/** Shrink a picture as it lies in its file, 2, 4 or 8 times. */
export function shrink(picture: Rows, scale: number): Pixels {
  const n = BLOCK / scale, matrix = lowpass(n);
  const width = Math.ceil(picture.width / scale), height = Math.ceil(picture.height / scale);
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  const blocksWide = Math.ceil(picture.width / BLOCK), wide = blocksWide * n * 3;
  const across = new Float32Array(BLOCK * wide);
  for (let top = 0; top < picture.height; top += BLOCK * STRIP_BLOCKS) {
    const count = Math.min(BLOCK * STRIP_BLOCKS, picture.height - top);
    const strip = picture.read(top, count);
    for (let block = 0; block < count; block += BLOCK) {
      for (let y = 0; y < BLOCK; y++) {
        // behind the edge the last pixels go on, as encoders fill up blocks
        shrinkRow(strip, Math.min(block + y, count - 1) * picture.width, picture.width, across, y * wide, matrix, n);
      }
      shrinkColumns(across, wide, data, width, ((top + block) / BLOCK) * n, height, matrix, n);
    }
  }
  return { width, height, data };
}

/** Shrink one row of RGBA pixels, from pixel `start` on, to RGB numbers from `to` on. */
function shrinkRow(
  strip: Uint8Array | Uint8ClampedArray, start: number, width: number,
  out: Float32Array, to: number, matrix: Float32Array, n: number,
): void {
  for (let left = 0; left < width; left += BLOCK) {
    for (let i = 0; i < n; i++) {
      let red = 0, green = 0, blue = 0;
      for (let j = 0; j < BLOCK; j++) {
        const weight = matrix[i * BLOCK + j] ?? 0;
        const at = (start + Math.min(left + j, width - 1)) * 4;
        red += weight * (strip[at] ?? 0);
        green += weight * (strip[at + 1] ?? 0);
        blue += weight * (strip[at + 2] ?? 0);
      }
      out[to++] = red;
      out[to++] = green;
      out[to++] = blue;
    }
  }
}

/** Shrink eight rows of RGB numbers to n rows of pixels from row `top` on; what lies behind the edge is left out. */
function shrinkColumns(
  across: Float32Array, wide: number, data: Uint8ClampedArray, width: number, top: number, height: number,
  matrix: Float32Array, n: number,
): void {
  for (let i = 0; i < n && top + i < height; i++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        let value = 0;
        for (let j = 0; j < BLOCK; j++) value += (matrix[i * BLOCK + j] ?? 0) * (across[j * wide + x * 3 + channel] ?? 0);
        data[((top + i) * width + x) * 4 + channel] = value; // rounded and clipped by the array
      }
    }
  }
}

/** Return the n × 8 matrix that takes eight values to their low frequencies and those to n values. */
function lowpass(n: number): Float32Array {
  const matrix = new Float32Array(n * BLOCK);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < BLOCK; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += cosine(k, i, n) * cosine(k, j, BLOCK);
      matrix[i * BLOCK + j] = sum * Math.sqrt(n / BLOCK);
    }
  }
  return matrix;
}

/** The orthonormal DCT-II. */
const cosine = (k: number, x: number, n: number) =>
  Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos((Math.PI * (2 * x + 1) * k) / (2 * n));
