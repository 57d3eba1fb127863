/** The page's own words in Spanish. */

import { numbersOf } from "../numbers.ts";
import { askEs } from "./ask.es.ts";
import type { Words } from "./en.ts";

const numbers = numbersOf("es");
const { percent } = numbers;

export const es: Words = {
  ...numbers,
  language: "Español",

  skip: "Ir al contenido",
  sections: "Secciones",
  ask: "Preguntar",
  gallery: "Galería",
  about: "Acerca de",
  privacy: "Privacidad",
  languages: "Idioma",
  accuracy: (share) => `Acierta en el ${percent(share)} de las imágenes que nunca había visto`,
  range: (low, high) => `${percent(low)} a ${percent(high)}`,
  credits: "Créditos",
  licences: "Licencias",
  runtimeLicence: "Licencia del motor",
  worksOffline: "Funciona sin conexión",
  staysHere: "Las imágenes no salen de este dispositivo",
  unopened: "No se puede abrir la guía",
  notFound: "Esta página no existe",
  noSuchClass: (name) => `Esta guía no tiene ninguna clase llamada «${name}».`,
  toGallery: "Ver todo lo que conoce",

  ...askEs,
  refusals: {
    empty: "El archivo está vacío.",
    too_many_bytes: "El archivo es demasiado grande.",
    unsupported_format: "No se acepta este formato de imagen: guárdela como JPEG.",
    not_an_image: "No es una imagen en un formato que se acepte.",
    truncated: "El archivo está incompleto.",
    damaged: "El archivo está dañado.",
    too_many_pixels: "La imagen tiene demasiados píxeles.",
  },

  whatItKnows: "Lo que conoce",
};
