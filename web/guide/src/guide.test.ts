import { expect, test } from "vitest";

import { makeAnswer, readGuide, webAddress } from "./guide.ts";
import { numbersOf } from "./numbers.ts";

const VIEW = { size: 224, fit: "crop", resize_shorter: 256 } as const;
const STORED = {
  schema_version: 1, name: "n", about: "", classes: [], preprocessing: VIEW, decline: { threshold: -0.5 },
  formats: ["JPEG", "TIFF"], scores: { accuracy: [0.9, 0.8, 0.95] },
} as const;

test("a guide states its views, or has the one of its preprocessing", () => {
  expect(readGuide(STORED).views).toEqual([{ ...VIEW, mirrored: false }]);
  expect(readGuide({ ...STORED, views: [VIEW, { ...VIEW, mirrored: true }] }).views.map((view) => view.mirrored)).toEqual([false, true]);
});

test("limits are the guide's own or the usual; formats those that browsers decode", () => {
  expect(readGuide(STORED).limits).toEqual({ formats: ["JPEG"], max_bytes: 50_000_000, max_pixels: 50_000_000 });
  expect(readGuide({ ...STORED, limits: { max_pixels: 9 } }).limits.max_pixels).toBe(9);
});

test("a guide of a newer form is refused", () => {
  expect(() => readGuide({ ...STORED, schema_version: 2 })).toThrow("export it again");
});

test("an answer puts the most probable first, of equals the earlier, and declines under the threshold", () => {
  expect(makeAnswer([0.2, 0.4, 0.4], -0.4, -0.5)).toMatchObject({ order: [1, 2, 0], declined: false });
  expect(makeAnswer([1], -0.6, -0.5).declined).toBe(true);
  expect(makeAnswer([1], -0.5, -0.5).declined).toBe(false);
});

test("only addresses of the web become links", () => {
  expect(webAddress("https://example.org/a")).toBe("https://example.org/a");
  for (const text of ["javascript:alert(1)", "data:text/html,x", "folder/a.jpg", ""]) expect(webAddress(text)).toBeNull();
});

test("numbers are rounded, and nothing uncertain is called certain", () => {
  const { percent, seconds } = numbersOf("en");
  const shown = (texts: string[]) => texts.map((text) => text.replaceAll("\u00a0", " "));
  expect(shown([0, 0.001, 0.25, 0.994, 0.9999, 1].map(percent))).toEqual(["0 %", "< 1 %", "25 %", "99 %", "> 99 %", "100 %"]);
  expect(shown([48, 1234].map(seconds))).toEqual(["0.048 s", "1.2 s"]);
  expect(shown([1234].map(numbersOf("de").seconds))).toEqual(["1,2 s"]);
});
