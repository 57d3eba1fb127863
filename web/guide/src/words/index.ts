/** The page's own words; those of the guide itself are in guide.json. */

export type { Words } from "./en.ts";
export { chooseLanguage, pickLanguage, useLanguage, useWords, WORDS } from "./language.ts";
