/** The words of the view that asks, in English. */

import { numbersOf } from "../numbers.ts";

const { percent, seconds, count: number } = numbersOf("en");
const mega = (bytes: number) => number(Math.max(1, Math.round(bytes / 1e6)));

export const askEn = {
  // giving pictures
  picture: "Picture",
  yourPicture: "The picture that you gave",
  yourPictures: "Your pictures",
  pictureNumber: (place: number) => `Picture ${place}`,
  choose: "Choose pictures",
  addPictures: "Another picture",
  takeOne: "Use the camera",
  dropOrPaste: "You can also drop pictures anywhere on this page, or paste one.",
  removePicture: "Remove this picture",
  clearAll: "Remove all",
  tryOne: "No picture at hand? Try one of these.",
  exampleNumber: (place: number) => `Try example ${place}`,

  // the camera
  camera: "Camera",
  whatItSees: "What the camera sees",
  takenPicture: "The picture that was taken",
  startingCamera: "Starting the camera. Your browser may ask whether it may be used.",
  shutter: "Take the picture",
  otherCamera: "Other camera",
  retake: "Take another",
  useIt: "Use this picture",
  noCamera: "The camera cannot be used",
  cameraRefused: "It was not allowed. Allow it beside the page’s address, or choose a picture instead.",
  cameraMissing: "This device has no camera that the browser can see. Choose a picture instead.",
  cameraBusy: "Another program is using it. Close that program and try again, or choose a picture instead.",
  cameraUnencrypted: "A browser gives its camera only to pages that come encrypted (https). Choose a picture instead.",
  cameraFails: "It does not start. Choose a picture instead.",

  // where it is answered
  whereAnswered: "Where pictures are looked at",
  onServer: "On the server",
  inBrowser: "In this browser",
  serverNote: (isFeedbackOn: boolean) =>
    `The picture is sent to the server, looked at, and not kept${isFeedbackOn ? ", unless you also say what it really shows" : ""}.`,
  browserNote: "The picture never leaves this device.",
  modelSize: (bytes: number) => `The first time, ${mega(bytes)} MB are loaded for it.`,
  modelReady: "The model is ready.",

  // its answer
  answer: "Answer",
  whatIsIt: "What is it?",
  giveAPicture: (count: number) => `Give a picture and learn its name: one of the ${count} that this guide knows, or none of these.`,
  looking: "Looking…",
  loadingModel: "Loading the model…",
  modelLoaded: "Model loaded",
  noModel: "The model does not run in this browser",
  newerBrowser: (message: string) => `${message}. Try a newer browser.`,
  unusable: "This picture cannot be used",
  unusableShort: "Not usable",
  wentWrong: "Something went wrong",
  sure: {
    certain: "Almost certain", sure: "Very likely", leaning: "Leaning towards", unsure: "Unsure",
  } as Readonly<Record<"certain" | "sure" | "leaning" | "unsure", string>>,
  some: (parent: string) => `Some ${parent}`,
  whichKind: (name: string) => `Which one is not sure; most likely ${name}.`,
  orElse: (name: string, prob: number) => `It may as well be ${name} (${percent(prob)}).`,
  odds: (right: number, of: number) => `Of ${of} answers as sure as this, about ${right} are right.`,
  notKnown: "Not known here",
  noneOfThese: "None of these",
  nearest: "It is unlike what this guide knows. Of the names it has, these come closest:",
  closest: "How it would divide them",
  howSure: "How sure it is of each name",
  others: (count: number) => `Show ${count} more`,
  fewer: "Show fewer",
  compareWith: "Compare with",
  exampleOf: (name: string) => `An example of ${name}`,
  readMore: "Read more",
  inThisGuide: "In this guide",
  tookHere: (ms: number) => `Answered in this browser in ${seconds(ms)}.`,
  tookServer: (ms: number) => `Answered by the server in ${seconds(ms)}.`,
  askBrowser: "Ask in this browser too",
  askServer: "Ask the server too",
  unknownAuthor: "Author unknown",

  // what it really shows
  wrong: "Wrong? Say what it is",
  whatIsItReally: "What does the picture show?",
  chooseName: "Choose a name",
  feedbackNote:
    "The picture and the name are sent to whoever runs this guide, and kept to make it better; without what the camera wrote into it, such as the place.",
  send: "Send",
  cancel: "Cancel",
  thanks: "Thank you. It was sent.",
  notSent: "It was not sent",

  // the key
  keyNeeded: "This guide wants a key",
  keyNote: "Whoever runs it can give you one. It is kept until you close the browser.",
  key: "Key",
  open: "Open",
  wrongKey: "This is not the key.",
};

export type AskWords = typeof askEn;
