/**
 * A file to the rows of an upright sRGB picture, by the browser's own decoders, alpha laid on white.
 *
 * The turning of EXIF is done here, by the orientation that `header` read: browsers differ in what they heed.
 */

import { BadImage, type Header, MEDIA_TYPES, withoutOrientation } from "./header.ts";
import type { Rows, View } from "./prepare.ts";
import { decodeScale, type Pixels, shrink } from "./shrink.ts";

/** Where the axes of the stored picture point in the upright one: a, b, c, d of a matrix. */
type Turn = readonly [number, number, number, number];

/** For EXIF's orientations 1 to 8. */
const TURNS: readonly Turn[] = [
  [1, 0, 0, 1], [-1, 0, 0, 1], [-1, 0, 0, -1], [1, 0, 0, -1],
  [0, 1, 1, 0], [0, 1, -1, 0], [0, -1, -1, 0], [0, -1, 1, 0],
];
const UPRIGHT: Turn = [1, 0, 0, 1];
const ANIMATION = ["acTL", "fcTL", "fdAT"];

/**
 * Decode a file whose header was read and found within the limits.
 *
 * @throws BadImage the browser rejects it.
 */
export async function decode(bytes: Uint8Array, header: Header): Promise<Picture> {
  const still = header.format === "PNG" ? withoutAnimation(bytes) : withoutOrientation(bytes, header);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([still as Uint8Array<ArrayBuffer>], { type: MEDIA_TYPES[header.format] }), {
      imageOrientation: "from-image", // the orientation was taken out of the bytes
      colorSpaceConversion: "default", // an embedded profile is followed
      premultiplyAlpha: "none", // so that alpha is laid on white once, from whole values
    });
  } catch {
    throw new BadImage("damaged", `The ${header.format} file cannot be decoded.`);
  }
  return new Picture(bitmap, header);
}

/** A decoded picture; it holds memory until it is closed. */
export class Picture {
  private readonly bitmap: ImageBitmap;
  private readonly isJpeg: boolean;
  private readonly turn: Turn;
  private readonly scaled = new Map<number, Rows>();

  constructor(bitmap: ImageBitmap, { format, orientation }: Header) {
    this.bitmap = bitmap;
    this.isJpeg = format === "JPEG";
    this.turn = TURNS[orientation - 1] ?? UPRIGHT;
  }

  /** Return the upright rows that Python would decode for a view: a large JPEG is decoded smaller. */
  rowsFor(view: View): Rows {
    const { width, height } = this.bitmap;
    const scale = this.isJpeg ? decodeScale(width, height, view) : 1;
    const known = this.scaled.get(scale);
    if (known) return known;
    const rows = scale === 1
      ? new BitmapRows(this.bitmap, this.turn)
      : new TurnedPixels(shrink(new BitmapRows(this.bitmap, UPRIGHT), scale), this.turn);
    this.scaled.set(scale, rows);
    return rows;
  }

  close(): void {
    this.bitmap.close();
  }
}

/** A bitmap, read through a small canvas on which it is drawn turned; whole pixels land on whole pixels. */
class BitmapRows implements Rows {
  readonly width: number;
  readonly height: number;
  private readonly bitmap: ImageBitmap;
  private readonly turn: Turn;
  private canvas: OffscreenCanvas | undefined;

  constructor(bitmap: ImageBitmap, turn: Turn) {
    this.bitmap = bitmap;
    this.turn = turn;
    [this.width, this.height] = turnedSize(bitmap, turn);
  }

  read(top: number, count: number): Uint8ClampedArray {
    if (this.canvas?.height !== count) this.canvas = new OffscreenCanvas(this.width, count);
    const context = this.canvas.getContext("2d", { willReadFrequently: true, alpha: false, colorSpace: "srgb" });
    if (!context) throw new BadImage("damaged", "This browser has no memory for the picture.");
    const [a, b, c, d] = this.turn;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, this.width, count);
    context.imageSmoothingEnabled = false;
    context.setTransform(a, b, c, d, a + c < 0 ? this.width : 0, (b + d < 0 ? this.height : 0) - top);
    context.drawImage(this.bitmap, 0, 0);
    return context.getImageData(0, 0, this.width, count).data;
  }
}

/** Pixels that are held, read turned. */
class TurnedPixels implements Rows {
  readonly width: number;
  readonly height: number;
  private readonly pixels: Pixels;
  private readonly turn: Turn;

  constructor(pixels: Pixels, turn: Turn) {
    this.pixels = pixels;
    this.turn = turn;
    [this.width, this.height] = turnedSize(pixels, turn);
  }

  read(top: number, count: number): Uint8ClampedArray {
    const { width, data } = this.pixels;
    const [a, b, c, d] = this.turn; // its inverse is its transpose
    const rows = new Uint8ClampedArray(this.width * count * 4);
    for (let y = top, to = 0; y < top + count; y++) {
      const v = b + d < 0 ? this.height - 1 - y : y;
      for (let x = 0; x < this.width; x++) {
        const u = a + c < 0 ? this.width - 1 - x : x;
        // u lies along the stored row where a is not 0, else along the stored column
        const from = ((a === 0 ? u : v) * width + (a === 0 ? v : u)) * 4;
        rows[to++] = data[from] ?? 0;
        rows[to++] = data[from + 1] ?? 0;
        rows[to++] = data[from + 2] ?? 0;
        rows[to++] = 255;
      }
    }
    return rows;
  }
}

const turnedSize = ({ width, height }: { width: number; height: number }, turn: Turn): [number, number] =>
  turn[0] === 0 ? [height, width] : [width, height];

/** Drop the chunks of an animation and of EXIF from a PNG, so that any decoder shows the still picture as it is stored. */
function withoutAnimation(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [bytes.subarray(0, 8)];
  for (let at = 8; at + 8 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (!ANIMATION.includes(name) && name !== "eXIf") parts.push(bytes.subarray(at, end));
    at = end;
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of parts) {
    whole.set(part, to);
    to += part.length;
  }
  return whole;
}
