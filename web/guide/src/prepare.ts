/**
 * Pixels to model input, exact to the bit as docs/preprocessing.md says: the same arithmetic as Pillow's in Python.
 *
 * Knows nothing about files, canvases or models. A picture comes as rows, so that a large one is never held whole.
 */

/** How a picture is fitted to the square; one record of `views` in guide.json. */
export interface View {
  readonly size: number;
  readonly fit: "crop" | "squash" | "pad";
  readonly resize_shorter: number;
  readonly mirrored: boolean;
}

/** An upright picture whose rows can be read from top to bottom. */
export interface Rows {
  readonly width: number;
  readonly height: number;
  /** Return `count` rows from row `top` on, (count, width, 4) RGBA; alpha is not looked at. */
  read(top: number, count: number): Uint8Array | Uint8ClampedArray;
}

/** What one axis of a box becomes: of output i, the weights of the pixels from `first[i]` on, 22 bits behind the point. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  /** weights of one output, with room for the most that any has */
  readonly stride: number;
}

const A = -0.5;
const BITS = 22;
const HALF = 1 << (BITS - 1);
const WHITE = 255;
const STRIP_VALUES = 4_000_000; // RGBA values read at once

/**
 * Return a picture in several views of one size, (views, size, size, 3) RGB.
 *
 * @param rowsFor what each view is made from; views with the same rows are made together.
 */
export function prepareViews(rowsFor: (view: View) => Rows, views: readonly View[]): Uint8Array {
  const distinct = new Map(views.map((view) => [keyOf(view), new Fitting(rowsFor(view), view)]));
  const fittings = [...distinct.values()];
  for (const picture of new Set(fittings.map((fitting) => fitting.picture))) {
    readThrough(picture, fittings.filter((fitting) => fitting.picture === picture));
  }
  const squares = new Map([...distinct].map(([key, fitting]) => [key, fitting.square()]));
  const size = views[0]?.size ?? 0;
  const stacked = new Uint8Array(views.length * size * size * 3);
  views.forEach((view, place) => {
    const square = squares.get(keyOf(view)) ?? new Uint8Array();
    stacked.set(view.mirrored ? mirror(square, size) : square, place * size * size * 3);
  });
  return stacked;
}

/** Read each row of a picture that is looked at once. */
function readThrough(picture: Rows, fittings: readonly Fitting[]): void {
  const bottom = Math.max(...fittings.map((fitting) => fitting.bottom));
  const most = Math.max(1, Math.floor(STRIP_VALUES / (4 * picture.width)));
  for (let row = Math.min(...fittings.map((fitting) => fitting.top)); row < bottom; row += most) {
    const count = Math.min(most, bottom - row);
    const strip = picture.read(row, count);
    for (const fitting of fittings) fitting.addRows(strip, row, count);
  }
}

const keyOf = (view: View) => `${view.fit} ${view.size} ${view.resize_shorter}`;

/** The resizing of one picture to one square: across as rows come in, down at the end. */
class Fitting {
  readonly picture: Rows;
  /** the rows that are looked at */
  readonly top: number;
  readonly bottom: number;
  private readonly size: number;
  private readonly width: number;
  private readonly height: number;
  private readonly across: Taps;
  private readonly down: Taps;
  private readonly between: Uint8Array;

  constructor(picture: Rows, view: View) {
    const { width, height } = picture;
    const shorter = Math.min(width, height), longer = Math.max(width, height), n = view.size;
    let box: [number, number, number, number] = [0, 0, width, height];
    let sides: [number, number] = [n, n];
    if (view.fit === "crop") {
      if (view.resize_shorter < n) throw new RangeError("resize_shorter must be at least size");
      const extent = (shorter * n) / view.resize_shorter;
      const left = (width - extent) / 2, upper = (height - extent) / 2;
      box = [left, upper, left + extent, upper + extent];
    } else if (view.fit === "pad") {
      const fitted = (side: number) => Math.max(1, Math.floor((2 * side * n + longer) / (2 * longer)));
      sides = [fitted(width), fitted(height)];
    }
    this.size = n;
    [this.width, this.height] = sides;
    this.picture = picture;
    this.across = taps(width, box[0], box[2], this.width);
    this.down = taps(height, box[1], box[3], this.height);
    this.top = this.down.first[0] ?? 0;
    const last = this.height - 1;
    this.bottom = (this.down.first[last] ?? 0) + (this.down.count[last] ?? 0);
    this.between = new Uint8Array((this.bottom - this.top) * this.width * 3);
  }

  /** Resize `count` rows from `row` on across. */
  addRows(strip: Uint8Array | Uint8ClampedArray, row: number, count: number): void {
    const from = Math.max(row, this.top), to = Math.min(row + count, this.bottom);
    for (let y = from; y < to; y++) {
      pass(strip, (y - row) * this.picture.width * 4, 4, this.between, (y - this.top) * this.width * 3, 3, this.across);
    }
  }

  /** Return the square, (size, size, 3). */
  square(): Uint8Array {
    const { size, width, height } = this;
    const square = new Uint8Array(size * size * 3).fill(WHITE);
    const left = Math.floor((size - width) / 2), upper = Math.floor((size - height) / 2);
    const shifted = { ...this.down, first: this.down.first.map((first) => first - this.top) };
    for (let x = 0; x < width; x++) {
      pass(this.between, x * 3, width * 3, square, (upper * size + left + x) * 3, size * 3, shifted);
    }
    return square;
  }
}

/** Resize one line of RGB pixels: `step` and `outStep` are how far apart neighbours lie. */
function pass(
  pixels: Uint8Array | Uint8ClampedArray, start: number, step: number,
  out: Uint8Array, outStart: number, outStep: number, { first, count, weights, stride }: Taps,
): void {
  for (let i = 0, to = outStart; i < first.length; i++, to += outStep) {
    let red = HALF, green = HALF, blue = HALF;
    let at = start + (first[i] ?? 0) * step;
    const base = i * stride, end = base + (count[i] ?? 0);
    for (let j = base; j < end; j++, at += step) {
      const weight = weights[j] ?? 0;
      red += weight * (pixels[at] ?? 0);
      green += weight * (pixels[at + 1] ?? 0);
      blue += weight * (pixels[at + 2] ?? 0);
    }
    out[to] = clip(red >> BITS);
    out[to + 1] = clip(green >> BITS);
    out[to + 2] = clip(blue >> BITS);
  }
}

const clip = (value: number) => (value < 0 ? 0 : value > 255 ? 255 : value);

/** Return the weights of one axis, from a box of `size` pixels to `out`. */
function taps(size: number, start: number, end: number, out: number): Taps {
  const b0 = Math.fround(start), b1 = Math.fround(end);
  const scale = Math.fround(b1 - b0) / out;
  const filter = Math.max(scale, 1);
  const support = 2 * filter, inverse = 1 / filter;
  const stride = 2 * Math.ceil(support) + 2;
  const first = new Int32Array(out), count = new Int32Array(out), weights = new Int32Array(out * stride);
  for (let i = 0; i < out; i++) {
    const center = b0 + (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - support + 0.5));
    const to = Math.min(size, Math.trunc(center + support + 0.5));
    const kernel: number[] = [];
    let sum = 0;
    for (let j = 0; j < to - from; j++) {
      const weight = cubic((j + from - center + 0.5) * inverse);
      kernel.push(weight);
      sum += weight;
    }
    kernel.forEach((weight, j) => {
      const share = sum === 0 ? weight : weight / sum;
      weights[i * stride + j] = Math.trunc(share * 2 ** BITS + (share < 0 ? -0.5 : 0.5));
    });
    first[i] = from;
    count[i] = to - from;
  }
  return { first, count, weights, stride };
}

/** R. Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -0.5. */
function cubic(at: number): number {
  const x = Math.abs(at);
  if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * A;
  return 0;
}

function mirror(square: Uint8Array, size: number): Uint8Array {
  const turned = new Uint8Array(square.length);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = (y * size + x) * 3, to = (y * size + size - 1 - x) * 3;
      turned.set(square.subarray(from, from + 3), to);
    }
  }
  return turned;
}
