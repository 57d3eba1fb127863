/** The page's own words in English, which say which words there are. */

import { numbersOf } from "../numbers.ts";
import { askEn } from "./ask.en.ts";

const numbers = numbersOf("en");
const { percent } = numbers;

export const en = {
  ...numbers,
  language: "English",

  // around every view
  skip: "Skip to the content",
  sections: "Sections",
  ask: "Ask",
  gallery: "Gallery",
  about: "About",
  privacy: "Privacy",
  languages: "Language",
  accuracy: (share: number) => `Right for ${percent(share)} of pictures it had never seen`,
  range: (low: number, high: number) => `${percent(low)} to ${percent(high)}`,
  credits: "Credits",
  licences: "Licences",
  runtimeLicence: "Licence of the runtime",
  worksOffline: "Works without a network",
  staysHere: "Pictures never leave this device",
  unopened: "The guide cannot be opened",
  notFound: "There is no such page",
  noSuchClass: (name: string) => `This guide has no class called “${name}”.`,
  toGallery: "See all that it knows",

  ...askEn,
  /** by the reasons of docs/preprocessing.md; what a reader says in English already is not said again */
  refusals: {} as Readonly<Record<string, string>>,

  // what it knows
  whatItKnows: "What it knows",
};

export type Words = typeof en;
