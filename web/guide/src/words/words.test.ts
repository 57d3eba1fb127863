import { expect, test } from "vitest";

import { en } from "./en.ts";
import { pickLanguage, WORDS } from "./language.ts";

const REASONS = ["empty", "too_many_bytes", "unsupported_format", "not_an_image", "truncated", "damaged", "too_many_pixels"];

test("the browser's first language that there is counts, whatever its region", () => {
  expect(pickLanguage(["fr-CH", "de-CH", "en"])).toBe("de");
  expect(pickLanguage(["", "ES-mx"])).toBe("es");
  expect(pickLanguage(["fr", "constructor"])).toBe("en");
  expect(pickLanguage([])).toBe("en");
});

test.each(Object.keys(WORDS).filter((language) => language !== "en"))("%s has every word, none of them left in English", (language) => {
  const words = WORDS[language] ?? en;
  expect(Object.keys(words).sort()).toEqual(Object.keys(en).sort());
  const same = Object.entries(en).filter(([key, word]) => typeof word === "string" && words[key as keyof typeof en] === word);
  expect(same).toEqual([]);
  expect(Object.keys(words.refusals)).toEqual(REASONS);
});
