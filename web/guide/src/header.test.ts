import { expect, test } from "vitest";

import { BadImage, readHeader, withoutOrientation } from "./header.ts";

const LIMITS = { formats: ["JPEG", "PNG", "WEBP", "GIF", "BMP"], max_bytes: 50_000_000, max_pixels: 50_000_000 };
const ascii = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
const be = (value: number, bytes: number) => Array.from({ length: bytes }, (_, at) => (value >> (8 * (bytes - 1 - at))) & 255);
const le = (value: number, bytes: number) => be(value, bytes).reverse();

/** An EXIF block of one entry. */
function exif(orientation: number, big: boolean, kind = 3): number[] {
  const number = big ? be : le;
  return [
    ...ascii(big ? "MM" : "II"), ...number(42, 2), ...number(8, 4), ...number(1, 2),
    ...number(0x0112, 2), ...number(kind, 2), ...number(1, 4), ...number(orientation, 2), 0, 0, ...number(0, 4),
  ];
}

const segment = (marker: number, content: number[]) => [0xff, marker, ...be(content.length + 2, 2), ...content];
const frame = (width: number, height: number, marker = 0xc0) => segment(marker, [8, ...be(height, 2), ...be(width, 2), 3]);
const jpeg = (...parts: number[][]) => new Uint8Array([0xff, 0xd8, ...parts.flat()]);
const chunk = (name: string, content: number[]) => [...be(content.length, 4), ...ascii(name), ...content, 0, 0, 0, 0];
const png = (width: number, height: number, ...rest: number[][]) =>
  new Uint8Array([0x89, ...ascii("PNG\r\n\x1a\n"), ...chunk("IHDR", [...be(width, 4), ...be(height, 4), 8, 2, 0, 0, 0]), ...rest.flat()]);
const riff = (name: string, content: number[]) => [...ascii(name), ...le(content.length, 4), ...content, ...(content.length % 2 ? [0] : [])];
const webp = (...chunks: number[][]) => new Uint8Array([...ascii("RIFF"), 0, 0, 0, 0, ...ascii("WEBP"), ...chunks.flat()]);

const refusal = (bytes: Uint8Array, limits = LIMITS) => {
  try {
    readHeader(bytes, limits);
  } catch (error) {
    return error instanceof BadImage ? error.reason : String(error);
  }
  return "taken";
};

test.each([
  ["a JPEG", jpeg(segment(0xe0, ascii("JFIF\0")), frame(640, 480)), "JPEG"],
  ["a progressive JPEG behind tables", jpeg(segment(0xc4, [1, 2, 3]), [0xff], frame(640, 480, 0xc2)), "JPEG"],
  ["a PNG", png(640, 480), "PNG"],
  ["a lossy WebP", webp(riff("VP8 ", [0, 0, 0, 0x9d, 1, 0x2a, ...le(640, 2), ...le(480, 2)])), "WEBP"],
  ["a lossless WebP", webp(riff("VP8L", [0x2f, ...le(639 | (479 << 14), 4)])), "WEBP"],
  ["an extended WebP", webp(riff("VP8X", [0, 0, 0, 0, ...le(639, 3), ...le(479, 3)])), "WEBP"],
  ["a GIF", new Uint8Array([...ascii("GIF89a"), ...le(640, 2), ...le(480, 2), 0, 0, 0]), "GIF"],
  ["a BMP", new Uint8Array([...ascii("BM"), ...Array<number>(12).fill(0), ...le(40, 4), ...le(640, 4), ...le(-480, 4)]), "BMP"],
])("the size of %s", (_, bytes, format) => {
  expect(readHeader(bytes, LIMITS)).toMatchObject({ format, width: 640, height: 480, orientation: 1 });
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])("orientation %i is read in either byte order and taken out", (orientation) => {
  for (const big of [false, true]) {
    for (const bytes of [
      jpeg(segment(0xe1, [...ascii("Exif\0\0"), ...exif(orientation, big)]), frame(40, 30)),
      png(40, 30, chunk("eXIf", exif(orientation, big))),
      webp(riff("VP8X", [8, 0, 0, 0, ...le(39, 3), ...le(29, 3)]), riff("EXIF", exif(orientation, big))),
      webp(riff("VP8X", [8, 0, 0, 0, ...le(39, 3), ...le(29, 3)]), riff("EXIF", [...ascii("Exif\0\0"), ...exif(orientation, big)])),
    ]) {
      const header = readHeader(bytes, LIMITS);
      expect(header).toMatchObject({ orientation, width: 40, height: 30 });
      const before = bytes.slice();
      expect(readHeader(withoutOrientation(bytes, header), LIMITS).orientation).toBe(1);
      expect(bytes).toEqual(before);
    }
  }
});

test.each([
  ["of no known value", exif(9, true)],
  ["of another type", exif(6, true, 4)],
  ["cut short", exif(6, true).slice(0, 14)],
  ["of no byte order", [0, 0, ...exif(6, true).slice(2)]],
])("an orientation %s counts as upright", (_, block) => {
  expect(readHeader(jpeg(segment(0xe1, [...ascii("Exif\0\0"), ...block]), frame(4, 3)), LIMITS).orientation).toBe(1);
});

test("what is refused, by its first bytes", () => {
  expect(refusal(new Uint8Array())).toBe("empty");
  expect(refusal(new Uint8Array(ascii("<svg xmlns='http://www.w3.org/2000/svg'/>")))).toBe("not_an_image");
  expect(refusal(new Uint8Array([0, 0, 0, 24, ...ascii("ftypheic")]))).toBe("unsupported_format");
  expect(refusal(png(4, 3), { ...LIMITS, formats: ["JPEG"] })).toBe("unsupported_format");
  expect(refusal(png(4, 3), { ...LIMITS, max_bytes: 20 })).toBe("too_many_bytes");
  expect(refusal(png(50_000, 40_000))).toBe("too_many_pixels");
  expect(refusal(png(70_000, 1))).toBe("too_many_pixels");
  expect(refusal(png(0, 5))).toBe("damaged");
  expect(refusal(jpeg(segment(0xe0, [1]), [0xff, 0xda]))).toBe("damaged");
  for (const whole of [jpeg(segment(0xe0, ascii("JFIF\0")), frame(640, 480)), png(640, 480)]) {
    for (let length = 8; length < 20; length++) expect(refusal(whole.slice(0, length))).toBe("truncated");
  }
});

test("a JPEG that Python decodes at half its size may have four times the pixels", () => {
  expect(refusal(jpeg(frame(12_000, 9000)))).toBe("taken");
  expect(refusal(jpeg(frame(60_000, 2000)))).toBe("too_many_pixels");
  expect(refusal(png(12_000, 9000))).toBe("too_many_pixels");
});
