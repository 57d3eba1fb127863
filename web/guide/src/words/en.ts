/** The page's own words in English, which say which words there are. */

import { numbersOf } from "../numbers.ts";

const numbers = numbersOf("en");
const { percent, seconds } = numbers;

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

  // giving a picture
  picture: "Picture",
  yourPicture: "The picture that you gave",
  choose: "Choose a picture",
  takeOne: "Take one",
  dropOrPaste: "or drop or paste one",

  // its answer
  answer: "Answer",
  whatIsIt: "What is it?",
  giveAPicture: (count: number) =>
    `Give a picture, and its name appears here: one of ${count}, or none of these. The picture stays on this device.`,
  looking: "Looking…",
  loadingModel: "Loading the model…",
  modelLoaded: "Model loaded",
  noModel: "The model does not run in this browser",
  newerBrowser: (message: string) => `${message}. Try a newer browser.`,
  unusable: "This picture cannot be used",
  wentWrong: "Something went wrong",
  noneOfThese: "None of these",
  nearest: "It is unlike what this guide knows. Of the names it has, these come closest:",
  exampleOf: (name: string) => `An example of ${name}`,
  readMore: "Read more",
  tookHere: (ms: number) => `Answered on this device in ${seconds(ms)}.`,
  unknownAuthor: "Author unknown",
  /** by the reasons of docs/preprocessing.md; what a reader says in English already is not said again */
  refusals: {} as Readonly<Record<string, string>>,

  // what it knows
  whatItKnows: "What it knows",
};

export type Words = typeof en;
