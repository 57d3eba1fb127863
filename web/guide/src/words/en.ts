/** The page's own words in English, which say which words there are. */

import { numbersOf } from "../numbers.ts";
import { askEn } from "./ask.en.ts";

const numbers = numbersOf("en");
const { percent, count: whole } = numbers;

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
  fontLicence: "Licence of the typeface",
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
  search: "Search the names",
  order: "Order",
  byName: "by name",
  hardestFirst: "hardest first",
  classCount: (count: number) => (count === 1 ? "1 class" : `${whole(count)} classes`),
  found: (count: number, of: number) => `${whole(count)} of ${whole(of)} classes`,
  nothingFound: (query: string) => `Nothing it knows is called “${query}”.`,
  recognised: (hits: number, of: number) => `${whole(hits)} of ${whole(of)} recognised`,

  // one class, and two beside each other
  noExamples: "None of its pictures may be shown under its licence.",
  numberedExample: (name: string, number: number) => `${name}, example ${number}`,
  kindOf: "A kind of",
  howWell: "How well it is recognised",
  recall: "Its pictures that were named rightly",
  precision: "Answers with its name that were right",
  noTestPictures: "There were no test pictures of it.",
  measuredOn: (count: number) => `Measured on ${whole(count)} ${count === 1 ? "picture" : "pictures"} that it had never seen.`,
  learntFrom: (count: number) => `Learnt from ${whole(count)}.`,
  confusedWith: "Easily confused with",
  nearestTo: "Nearest to it",
  takenFor: (count: number, of: number, one: string, other: string) =>
    count === 0 ? `No ${one} was taken for ${other}.` : `${whole(count)} of ${whole(of)} pictures of ${one} ${count === 1 ? "was" : "were"} taken for ${other}.`,
  ofTestPictures: "Counted on the test pictures.",
  ofAllPictures: "Counted in a cross-validation of all pictures.",
  compareThem: (one: string, other: string) => `Compare ${one} and ${other}`,
  pairTitle: (one: string, other: string) => `${one} or ${other}?`,
  turn: "Other classes",

  // about the guide
  aboutTitle: (name: string) => `About ${name}`,
  whatItDoes: (count: number) =>
    `It looks at a picture and names what it shows: one of ${whole(count)} classes, with a probability for each, or none of these.`,
  intendedUse: "What it is for",
  usualUse:
    "Naming the main thing in a picture, where it is one of its classes and the picture is of the kind that it learnt from. Its maker has not said what it is meant for beyond that.",
  howGood: "How good it is",
  accuracyOn: (share: number, count: number) =>
    `It was right for ${percent(share)} of ${whole(count)} test pictures, which no training saw and no choice used. Near-copies of a picture are never in both.`,
  testAccuracy: "Right on the test pictures",
  crossAccuracy: "Right in a cross-validation of all pictures",
  macroF1: "Macro F1 on the test pictures",
  carelessAccuracy: "What a careless split would have claimed",
  intervals: "Each share stands with its 95 % interval.",
  carelessMeans: "Careless means shuffled pictures with copies left in: the same picture may be learnt and tested.",
  byClass: "Scores of each class",
  className: "Class",
  recallShort: "Recall",
  precisionShort: "Precision",
  testPictures: "Test pictures",
  declines: "A picture unlike all that it knows is declined: the answer is none of these.",
  accepts: (share: number, count: number) => `It accepts ${percent(share)} of ${whole(count)} test pictures of its own classes`,
  unknownsUnmeasured: "How often it would accept something unknown was not measured.",
  acceptsUnknown: (share: number, pictures: number, classes: number) =>
    `Of pictures of a class that it does not know, it would accept ${percent(share)}, measured on ${whole(pictures)} pictures by leaving out ${whole(classes)} classes one at a time. What resembles a known class is often accepted.`,
  limits: "Its limits",
  limitClasses: "It knows nothing but its classes. What resembles one of them is often taken for it.",
  limitOne: "It gives one name to a picture, however many things the picture shows.",
  limitKind:
    "Its scores are of pictures that came the same way as those that it learnt from. With another camera, drawings, or other places and seasons it may do worse.",
  weakest: (name: string, hits: number, of: number) => `It is weakest at ${name}: ${whole(hits)} of ${whole(of)} test pictures recognised.`,
  limitHarm: "An answer is an estimate. Where a wrong one does harm, such as whether something can be eaten, a person who knows has to decide.",
  data: "What it was made from",
  madeFrom: (images: number, train: number, val: number, test: number) =>
    `${whole(images)} pictures: ${whole(train)} to learn from, ${whole(val)} to choose by, ${whole(test)} to test.`,
  sources: "Sources",
  licencesOfPictures: "Licences",
  creditsFile: "Author, licence and source of each picture (CSV)",
  forms: "Its forms",
  formsNote: "The same guide for other programs and devices, each compared with the guide itself on pictures. Time is for one picture, on the computer that exported it.",
  form: "Form",
  formSize: "Size",
  formTime: "Median time",
  formAgreement: "Same first answer",
  agrees: (share: number, count: number) => `${percent(share)} (${whole(count)} compared)`,
  madeWith: (version: string) => `Made with Fieldguide${version === "" ? "" : ` ${version}`}.`,
  learner: (learner: string, backbone: string) => `Learner: ${learner}${backbone === "" ? "" : ` on ${backbone}`}.`,
  fingerprint: "Fingerprint of its data:",

  // what becomes of a picture
  privacyHere: "Your picture never leaves this device. It is opened, looked at and named in this browser.",
  privacyHereProof: "It works with the network off, too, after the first visit: nothing is sent anywhere.",
  privacyServer:
    "To be named, your picture is sent to the server that this page came from. It is held in memory until it is answered, and not stored.",
  privacySwitch: "Where you choose to have it answered in this browser, it is not sent at all.",
  privacyFeedback:
    "If you say what a picture really shows, and only then, that picture is kept on the server with your answer, for the makers of this guide to learn from.",
  privacyNoFeedback: "Nothing that you give is kept on the server.",
  privacyLog: "The server may write down that there was a request, when, and how long it took, without the picture.",
  onThisDevice: "On this device",
  privacyKept:
    "The browser keeps the language that you chose and where you want pictures answered. Where the server asks for a key, one cookie says that you gave it; there are no others.",
  privacyKeptOffline: "The browser keeps this page with its model, so that it works without a network, and the language that you chose. There are no cookies.",
  thirdParties: "Others",
  privacyOthers:
    "This page asks no other server for anything: no fonts, no statistics, no advertising. Links to sources and further reading lead to other sites, which are told nothing about where you came from.",
};

export type Words = typeof en;
