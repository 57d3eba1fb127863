/** The page's own words in German. */

import { numbersOf } from "../numbers.ts";
import { askDe } from "./ask.de.ts";
import type { Words } from "./en.ts";

const numbers = numbersOf("de");
const { percent, count: whole } = numbers;

export const de: Words = {
  ...numbers,
  language: "Deutsch",

  skip: "Zum Inhalt springen",
  sections: "Bereiche",
  ask: "Fragen",
  gallery: "Galerie",
  about: "Über",
  privacy: "Datenschutz",
  languages: "Sprache",
  accuracy: (share) => `Richtig bei ${percent(share)} der Bilder, die sie noch nie gesehen hatte`,
  range: (low, high) => `${percent(low)} bis ${percent(high)}`,
  credits: "Bildnachweise",
  licences: "Lizenzen",
  runtimeLicence: "Lizenz der Laufzeit",
  fontLicence: "Lizenz der Schrift",
  worksOffline: "Geht auch ohne Netz",
  staysHere: "Bilder verlassen dieses Gerät nie",
  unopened: "Die Bestimmungshilfe lässt sich nicht öffnen",
  notFound: "Diese Seite gibt es nicht",
  noSuchClass: (name) => `Diese Bestimmungshilfe kennt keine Klasse „${name}“.`,
  toGallery: "Alles ansehen, was sie kennt",

  ...askDe,
  refusals: {
    empty: "Die Datei ist leer.",
    too_many_bytes: "Die Datei ist zu groß.",
    unsupported_format: "Dieses Bildformat wird nicht angenommen: Speichern Sie das Bild als JPEG.",
    not_an_image: "Das ist kein Bild in einem Format, das angenommen wird.",
    truncated: "Die Datei ist abgeschnitten.",
    damaged: "Die Datei ist beschädigt.",
    too_many_pixels: "Das Bild hat zu viele Pixel.",
  },

  whatItKnows: "Was sie kennt",
  search: "Namen suchen",
  order: "Reihenfolge",
  byName: "nach Namen",
  hardestFirst: "Schwierigste zuerst",
  classCount: (count) => (count === 1 ? "1 Klasse" : `${whole(count)} Klassen`),
  found: (count, of) => `${whole(count)} von ${whole(of)} Klassen`,
  nothingFound: (query) => `Nichts, was sie kennt, heißt „${query}“.`,
  recognised: (hits, of) => `${whole(hits)} von ${whole(of)} erkannt`,

  noExamples: "Keines ihrer Bilder darf nach seiner Lizenz gezeigt werden.",
  numberedExample: (name, number) => `${name}, Beispiel ${number}`,
  kindOf: "Gehört zu",
  howWell: "Wie gut sie sich erkennen lässt",
  recall: "Bilder davon, die richtig benannt wurden",
  precision: "Antworten mit diesem Namen, die richtig waren",
  noTestPictures: "Es gab keine Testbilder davon.",
  measuredOn: (count) => `Gemessen an ${whole(count)} ${count === 1 ? "Bild, das" : "Bildern, die"} sie nie gesehen hatte.`,
  learntFrom: (count) => `Gelernt aus ${whole(count)}.`,
  confusedWith: "Leicht zu verwechseln mit",
  nearestTo: "Am ähnlichsten",
  takenFor: (count, of, one, other) =>
    count === 0 ? `${one} wurde nie für ${other} gehalten.` : `${whole(count)} von ${whole(of)} Bildern von ${one} ${count === 1 ? "wurde" : "wurden"} für ${other} gehalten.`,
  ofTestPictures: "Gezählt an den Testbildern.",
  ofAllPictures: "Gezählt in einer Kreuzvalidierung aller Bilder.",
  compareThem: (one, other) => `${one} und ${other} vergleichen`,
  pairTitle: (one, other) => `${one} oder ${other}?`,
  turn: "Andere Klassen",

  aboutTitle: (name) => `Über ${name}`,
  whatItDoes: (count) =>
    `Sie sieht ein Bild an und benennt, was es zeigt: eine von ${whole(count)} Klassen, mit einer Wahrscheinlichkeit für jede, oder keine davon.`,
  intendedUse: "Wofür sie da ist",
  usualUse:
    "Zu benennen, was ein Bild vor allem zeigt, wenn es eine ihrer Klassen ist und das Bild von der Art, aus der sie gelernt hat. Mehr haben ihre Autoren dazu nicht gesagt.",
  howGood: "Wie gut sie ist",
  accuracyOn: (share, count) =>
    `Sie lag bei ${percent(share)} von ${whole(count)} Testbildern richtig, die kein Training sah und keine Wahl benutzte. Fast gleiche Bilder stehen nie auf beiden Seiten.`,
  testAccuracy: "Richtig bei den Testbildern",
  crossAccuracy: "Richtig in einer Kreuzvalidierung aller Bilder",
  macroF1: "Makro-F1 bei den Testbildern",
  carelessAccuracy: "Was eine sorglose Aufteilung behauptet hätte",
  intervals: "Jeder Anteil steht mit seinem 95-%-Intervall.",
  carelessMeans: "Sorglos heißt: gemischt und mit Kopien, sodass dasselbe Bild gelernt und geprüft werden kann.",
  byClass: "Werte jeder Klasse",
  className: "Klasse",
  recallShort: "Trefferquote",
  precisionShort: "Genauigkeit",
  testPictures: "Testbilder",
  declines: "Ein Bild, das nichts ähnelt, was sie kennt, wird abgelehnt: Die Antwort ist „keines davon“.",
  accepts: (share, count) => `Sie nimmt ${percent(share)} von ${whole(count)} Testbildern ihrer eigenen Klassen an`,
  unknownsUnmeasured: "Wie oft sie Unbekanntes annähme, wurde nicht gemessen.",
  acceptsUnknown: (share, pictures, classes) =>
    `Von Bildern einer Klasse, die sie nicht kennt, nähme sie ${percent(share)} an, gemessen an ${whole(pictures)} Bildern, indem ${whole(classes)} Klassen nacheinander weggelassen wurden. Was einer bekannten Klasse ähnelt, wird oft angenommen.`,
  limits: "Ihre Grenzen",
  limitClasses: "Sie kennt nur ihre Klassen. Was einer davon ähnelt, wird oft dafür gehalten.",
  limitOne: "Sie gibt einem Bild einen Namen, so viel darauf auch zu sehen ist.",
  limitKind:
    "Die Werte gelten für Bilder, die auf demselben Weg kamen wie die, aus denen sie gelernt hat. Bei anderen Kameras, Zeichnungen, Orten oder Jahreszeiten kann sie schlechter sein.",
  weakest: (name, hits, of) => `Am schwächsten ist sie bei ${name}: ${whole(hits)} von ${whole(of)} Testbildern erkannt.`,
  limitHarm: "Eine Antwort ist eine Schätzung. Wo eine falsche schadet, etwa ob sich etwas essen lässt, muss ein Mensch entscheiden, der es weiß.",
  data: "Woraus sie gemacht ist",
  madeFrom: (images, train, val, test) =>
    `${whole(images)} Bilder: ${whole(train)} zum Lernen, ${whole(val)} zum Auswählen, ${whole(test)} zum Prüfen.`,
  sources: "Quellen",
  licencesOfPictures: "Bildlizenzen",
  creditsFile: "Urheber, Lizenz und Quelle jedes Bildes (CSV)",
  forms: "Ihre Formen",
  formsNote: "Dieselbe Bestimmungshilfe für andere Programme und Geräte, jede an Bildern mit ihr selbst verglichen. Die Zeit gilt für ein Bild auf dem Rechner, der sie exportiert hat.",
  form: "Exportform",
  formSize: "Größe",
  formTime: "Mittlere Zeit (Median)",
  formAgreement: "Gleiche erste Antwort",
  agrees: (share, count) => `${percent(share)} (${whole(count)} verglichen)`,
  madeWith: (version) => `Gemacht mit Fieldguide${version === "" ? "" : ` ${version}`}.`,
  learner: (learner, backbone) => `Lernverfahren: ${learner}${backbone === "" ? "" : ` auf ${backbone}`}.`,
  fingerprint: "Fingerabdruck der Daten:",

  privacyHere: "Ihr Bild verlässt dieses Gerät nie. Es wird in diesem Browser geöffnet, angesehen und benannt.",
  privacyHereProof: "Das geht nach dem ersten Besuch auch ohne Netz: Nichts wird irgendwohin gesendet.",
  privacyServer:
    "Um benannt zu werden, wird Ihr Bild an den Server gesendet, von dem diese Seite kommt. Es bleibt im Arbeitsspeicher, bis es beantwortet ist, und wird nicht gespeichert.",
  privacySwitch: "Wenn Sie die Antwort in diesem Browser wählen, wird es gar nicht gesendet.",
  privacyFeedback:
    "Wenn Sie sagen, was ein Bild wirklich zeigt, und nur dann, wird dieses Bild mit Ihrer Angabe auf dem Server behalten, damit die Autoren dieser Bestimmungshilfe daraus lernen.",
  privacyNoFeedback: "Nichts, was Sie geben, wird auf dem Server behalten.",
  privacyLog: "Der Server kann aufschreiben, dass es eine Anfrage gab, wann, und wie lange sie dauerte, ohne das Bild.",
  onThisDevice: "Auf diesem Gerät",
  privacyKept:
    "Der Browser behält die Sprache, die Sie gewählt haben, und wo Bilder beantwortet werden sollen. Wo der Server einen Schlüssel verlangt, sagt ein Cookie, dass Sie ihn gegeben haben; andere gibt es nicht.",
  privacyKeptOffline: "Der Browser behält diese Seite mit ihrem Modell, damit sie ohne Netz geht, und die Sprache, die Sie gewählt haben. Es gibt keine Cookies.",
  thirdParties: "Andere",
  privacyOthers:
    "Diese Seite fragt keinen anderen Server nach etwas: keine Schriften, keine Statistik, keine Werbung. Links zu Quellen und zum Weiterlesen führen zu anderen Seiten, die nicht erfahren, woher Sie kamen.",
};
