/** The page's own words in German. */

import { numbersOf } from "../numbers.ts";
import { askDe } from "./ask.de.ts";
import type { Words } from "./en.ts";

const numbers = numbersOf("de");
const { percent } = numbers;

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
  accuracy: (share) => `Richtig bei ${percent(share)} der Bilder, die er noch nie gesehen hatte`,
  range: (low, high) => `${percent(low)} bis ${percent(high)}`,
  credits: "Bildnachweise",
  licences: "Lizenzen",
  runtimeLicence: "Lizenz der Laufzeit",
  worksOffline: "Geht auch ohne Netz",
  staysHere: "Bilder verlassen dieses Gerät nie",
  unopened: "Der Führer lässt sich nicht öffnen",
  notFound: "Diese Seite gibt es nicht",
  noSuchClass: (name) => `Dieser Führer kennt keine Klasse „${name}“.`,
  toGallery: "Alles ansehen, was er kennt",

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

  whatItKnows: "Was er kennt",
};
