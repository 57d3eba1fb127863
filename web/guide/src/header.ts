/**
 * What a file's bytes state before anything is decoded: format, size, and which way is up; and what is refused for it.
 *
 * The formats and limits are those of docs/preprocessing.md. Knows nothing about browsers: a file from anywhere is taken
 * to be hostile, and no reader goes past its end.
 */

export type Format = "JPEG" | "PNG" | "WEBP" | "GIF" | "BMP";

/** Which pictures a guide takes; `formats` and `limits` of guide.json. */
export interface Limits {
  readonly formats: readonly string[];
  readonly max_bytes: number;
  readonly max_pixels: number;
}

export interface Header {
  readonly format: Format;
  /** as stored, before turning upright */
  readonly width: number;
  readonly height: number;
  /** of EXIF, 1 to 8 */
  readonly orientation: number;
  /** where in the file the orientation's two bytes stand; 0: nowhere */
  readonly orientationAt: number;
  readonly bigEndian: boolean;
}

/** A picture that cannot be answered for, with a reason of docs/preprocessing.md. */
export class BadImage extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

export const MEDIA_TYPES: Readonly<Record<Format, string>> = {
  JPEG: "image/jpeg", PNG: "image/png", WEBP: "image/webp", GIF: "image/gif", BMP: "image/bmp",
};
const MAX_SIDE = 65_535;
const HALVED_SIDE = 3000; // Python decodes a JPEG with a shorter side of this at half its size or smaller
const MARKS: readonly (readonly [Format, RegExp])[] = [
  ["JPEG", /^\xff\xd8/], ["PNG", /^\x89PNG/], ["WEBP", /^RIFF[^]{4}WEBP/], ["GIF", /^GIF8[79]a/], ["BMP", /^BM/],
];
const HEIF = /^[^]{4}ftyp(hei|hev|mif1|msf1)/;
const ORIENTATION = 0x0112, SHORT = 3;

interface Found { width: number; height: number; exifAt: number; exifEnd: number }

/**
 * Read what the first bytes state.
 *
 * @throws BadImage it is not a picture of a format that is taken, or too large.
 */
export function readHeader(bytes: Uint8Array, limits: Limits): Header {
  if (bytes.length === 0) throw new BadImage("empty", "The file is empty.");
  if (bytes.length > limits.max_bytes) {
    throw new BadImage("too_many_bytes", `The file has ${mega(bytes.length)} MB; ${mega(limits.max_bytes)} are the most.`);
  }
  const start = latin(bytes, 0, 32);
  const format = MARKS.find(([, mark]) => mark.test(start))?.[0];
  if (!format) {
    if (HEIF.test(start)) throw new BadImage("unsupported_format", "A HEIC picture: save or export it as JPEG.");
    throw new BadImage("not_an_image", `This is not a picture of a format that is taken: ${limits.formats.join(", ")}.`);
  }
  if (!limits.formats.includes(format)) {
    throw new BadImage("unsupported_format", `${format} is not taken; these are: ${limits.formats.join(", ")}.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let found: Found;
  try {
    found = READERS[format](view, bytes);
  } catch (error) {
    if (error instanceof RangeError) throw new BadImage("truncated", "The file ends before its picture begins.");
    throw error;
  }
  checkSize(format, found, limits.max_pixels);
  return { format, width: found.width, height: found.height, ...readOrientation(view, found) };
}

/** Return the bytes with the orientation taken out, so that no browser turns the picture: this page does it itself. */
export function withoutOrientation(bytes: Uint8Array, header: Header): Uint8Array {
  if (header.orientationAt === 0) return bytes;
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint16(header.orientationAt, 1, !header.bigEndian);
  return copy;
}

function checkSize(format: Format, { width, height }: Found, maxPixels: number): void {
  if (width < 1 || height < 1) throw new BadImage("damaged", `The header says ${width} × ${height} pixels.`);
  const scale = format === "JPEG" && Math.min(width, height) >= HALVED_SIDE ? 2 : 1;
  if (Math.ceil(width / scale) * Math.ceil(height / scale) > maxPixels || Math.max(width, height) > MAX_SIDE) {
    const most = mega(scale * scale * maxPixels);
    throw new BadImage("too_many_pixels", `The picture has ${width} × ${height} pixels; ${most} million are the most.`);
  }
}

const mega = (count: number) => Math.round(count / 100_000) / 10;
const latin = (bytes: Uint8Array, from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
const NO_EXIF = { exifAt: 0, exifEnd: 0 };

const READERS: Readonly<Record<Format, (view: DataView, bytes: Uint8Array) => Found>> = {
  JPEG: readJpeg,
  PNG: readPng,
  WEBP: readWebp,
  // the logical screen descriptor, or the first frame where it is larger: GIF89a, section 18
  GIF: (view) => ({ width: view.getUint16(6, true), height: view.getUint16(8, true), ...NO_EXIF }),
  BMP: (view) => {
    const old = view.getUint32(14, true) === 12;
    return old
      ? { width: view.getUint16(18, true), height: view.getUint16(20, true), ...NO_EXIF }
      : { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)), ...NO_EXIF };
  },
};

/** Walk over the segments up to the frame header (ITU-T T.81, annex B). */
function readJpeg(view: DataView, bytes: Uint8Array): Found {
  let exif = NO_EXIF;
  let at = 2;
  for (;;) {
    while (view.getUint8(at) !== 0xff) at++;
    while (view.getUint8(at) === 0xff) at++;
    const marker = view.getUint8(at++);
    if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    if (marker === 0xd9 || marker === 0xda) throw new BadImage("damaged", "The JPEG file has no frame header.");
    const length = view.getUint16(at);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { height: view.getUint16(at + 3), width: view.getUint16(at + 5), ...exif };
    }
    if (marker === 0xe1 && exif.exifAt === 0 && latin(bytes, at + 2, at + 8) === "Exif\0\0") {
      exif = { exifAt: at + 8, exifEnd: Math.min(at + length, bytes.length) };
    }
    at += Math.max(2, length);
  }
}

/** Read the header chunk, and where the chunk eXIf is (PNG 3, 11.2.1 and 11.3.4.5). */
function readPng(view: DataView, bytes: Uint8Array): Found {
  const size = { width: view.getUint32(16), height: view.getUint32(20) };
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (latin(bytes, at + 4, at + 8) === "eXIf") {
      return { ...size, ...exifBlock(bytes, at + 8, at + 8 + length) };
    }
    at += 12 + length;
  }
  return { ...size, ...NO_EXIF };
}

/** Read the canvas from the first chunk, and where the chunk EXIF is (RFC 9649, sections 2.5 to 2.7). */
function readWebp(view: DataView, bytes: Uint8Array): Found {
  const kind = latin(bytes, 12, 16);
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >> 14) & 0x3fff), ...NO_EXIF };
  }
  if (kind !== "VP8X") {
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff, ...NO_EXIF };
  }
  const read24 = (at: number) => 1 + view.getUint16(at, true) + 0x10000 * view.getUint8(at + 2);
  const size = { width: read24(24), height: read24(27) };
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (latin(bytes, at, at + 4) === "EXIF") return { ...size, ...exifBlock(bytes, at + 8, at + 8 + length) };
    at += 8 + length + (length & 1);
  }
  return { ...size, ...NO_EXIF };
}

/** Return where a block begins behind the mark that some writers put before it, and where it ends. */
function exifBlock(bytes: Uint8Array, from: number, to: number) {
  const marked = latin(bytes, from, from + 6) === "Exif\0\0";
  return { exifAt: marked ? from + 6 : from, exifEnd: Math.min(to, bytes.length) };
}

/** Read the orientation of the first directory; 1 where it is missing or unreadable (CIPA DC-008, 4.6.4). */
function readOrientation(view: DataView, { exifAt, exifEnd }: Found) {
  const upright = { orientation: 1, orientationAt: 0, bigEndian: false };
  if (exifEnd - exifAt < 10) return upright;
  const mark = view.getUint32(exifAt);
  const bigEndian = mark === 0x4d4d002a;
  if (!bigEndian && mark !== 0x49492a00) return upright;
  const little = !bigEndian;
  const directory = exifAt + view.getUint32(exifAt + 4, little);
  if (directory + 2 > exifEnd) return upright;
  const count = view.getUint16(directory, little);
  for (let at = directory + 2; at < Math.min(directory + 2 + 12 * count, exifEnd - 11); at += 12) {
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    const orientation = view.getUint16(at + 8, little);
    const isGood = view.getUint16(at + 2, little) === SHORT && orientation >= 1 && orientation <= 8;
    return { orientation: isGood ? orientation : 1, orientationAt: at + 8, bigEndian };
  }
  return upright;
}
