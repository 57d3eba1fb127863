/**
 * A file to the rows of an upright sRGB picture, by the browser's own decoders, alpha laid on white.
 *
 * The turning of EXIF is done here, by the orientation that `header` read: browsers differ in what they heed.
 */

import { BadImage, type Header, MEDIA_TYPES, withoutOrientation } from "./header.ts";
import type { Rows } from "./prepare.ts";

/** Rows that hold memory until they are closed. */
export interface Picture extends Rows {
  close(): void;
}

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
  return new TurnedBitmap(bitmap, header.orientation);
}

/** Where the axes of the stored picture point in the upright one, for EXIF's orientations 1 to 8: a, b, c, d of a matrix. */
const TURNS: readonly (readonly [number, number, number, number])[] = [
  [1, 0, 0, 1], [-1, 0, 0, 1], [-1, 0, 0, -1], [1, 0, 0, -1],
  [0, 1, 1, 0], [0, 1, -1, 0], [0, -1, -1, 0], [0, -1, 1, 0],
];

/** A bitmap, read through a small canvas on which it is drawn turned; whole pixels land on whole pixels. */
class TurnedBitmap implements Picture {
  readonly width: number;
  readonly height: number;
  private readonly bitmap: ImageBitmap;
  private readonly turn: readonly [number, number, number, number];
  private canvas: OffscreenCanvas | undefined;

  constructor(bitmap: ImageBitmap, orientation: number) {
    this.bitmap = bitmap;
    this.turn = TURNS[orientation - 1] ?? [1, 0, 0, 1];
    const isOnItsSide = this.turn[0] === 0;
    this.width = isOnItsSide ? bitmap.height : bitmap.width;
    this.height = isOnItsSide ? bitmap.width : bitmap.height;
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

  close(): void {
    this.bitmap.close();
  }
}

const ANIMATION = ["acTL", "fcTL", "fdAT"];

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
