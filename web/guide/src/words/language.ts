/** The language of the page: the one chosen before on this device, or the first of the browser's that there is. */

import { useSyncExternalStore } from "react";

import { de } from "./de.ts";
import { en, type Words } from "./en.ts";
import { es } from "./es.ts";

export const WORDS: Readonly<Record<string, Words>> = { en, de, es };
const KEPT_AS = "fieldguide language";

const listeners = new Set<() => void>();
let current = startLanguage();

/** Return the first language asked for that there are words in, English where there is none. */
export function pickLanguage(asked: readonly string[], available = Object.keys(WORDS)): string {
  const primary = asked.map((tag) => tag.toLowerCase().split("-")[0] ?? "");
  return primary.find((tag) => available.includes(tag)) ?? "en";
}

/** Show the page in a language from now on, and the next time too. */
export function chooseLanguage(language: string): void {
  current = pickLanguage([language]);
  document.documentElement.lang = current;
  try {
    localStorage.setItem(KEPT_AS, current);
  } catch {
    // a browser that keeps nothing: then it holds until the page is closed
  }
  for (const listener of listeners) listener();
}

/** The code of the language that the page is shown in, such as "de". */
export const useLanguage = () => useSyncExternalStore(subscribe, () => current);

/** The words of that language. */
export const useWords = (): Words => WORDS[useLanguage()] ?? en;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function startLanguage(): string {
  if (typeof document === "undefined") return "en";
  const language = pickLanguage([keptLanguage(), ...navigator.languages]);
  document.documentElement.lang = language;
  return language;
}

function keptLanguage(): string {
  try {
    return localStorage.getItem(KEPT_AS) ?? "";
  } catch {
    return ""; // a browser that keeps nothing
  }
}
