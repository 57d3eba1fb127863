/** The page's own words in Spanish. */

import { numbersOf } from "../numbers.ts";
import { askEs } from "./ask.es.ts";
import type { Words } from "./en.ts";

const numbers = numbersOf("es");
const { percent, count: whole } = numbers;

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
  fontLicence: "Licencia de la letra",
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
  search: "Buscar nombres",
  order: "Orden",
  byName: "por nombre",
  hardestFirst: "las más difíciles primero",
  classCount: (count) => (count === 1 ? "1 clase" : `${whole(count)} clases`),
  found: (count, of) => `${whole(count)} de ${whole(of)} clases`,
  nothingFound: (query) => `Nada de lo que conoce se llama «${query}».`,
  recognised: (hits, of) => `${whole(hits)} de ${whole(of)} reconocidas`,

  noExamples: "La licencia de sus imágenes no permite mostrarlas.",
  numberedExample: (name, number) => `${name}, ejemplo ${number}`,
  kindOf: "Pertenece a",
  howWell: "Cómo de bien se reconoce",
  recall: "Sus imágenes que se nombraron bien",
  precision: "Respuestas con su nombre que eran correctas",
  noTestPictures: "No había imágenes de prueba.",
  measuredOn: (count) => `Medido con ${whole(count)} ${count === 1 ? "imagen" : "imágenes"} que nunca había visto.`,
  learntFrom: (count) => `Aprendido de ${whole(count)}.`,
  confusedWith: "Fácil de confundir con",
  nearestTo: "La más parecida",
  takenFor: (count, of, one, other) =>
    count === 0 ? `Ninguna imagen de ${one} se tomó por ${other}.` : `${whole(count)} de ${whole(of)} imágenes de ${one} ${count === 1 ? "se tomó" : "se tomaron"} por ${other}.`,
  ofTestPictures: "Contado en las imágenes de prueba.",
  ofAllPictures: "Contado en una validación cruzada de todas las imágenes.",
  compareThem: (one, other) => `Comparar ${one} y ${other}`,
  pairTitle: (one, other) => `¿${one} o ${other}?`,
  turn: "Otras clases",

  aboutTitle: (name) => `Acerca de ${name}`,
  whatItDoes: (count) =>
    `Mira una imagen y dice qué muestra: una de ${whole(count)} clases, con una probabilidad para cada una, o ninguna de ellas.`,
  intendedUse: "Para qué sirve",
  usualUse:
    "Para nombrar lo principal de una imagen cuando es una de sus clases y la imagen es del tipo del que aprendió. Su autor no ha dicho más sobre su uso.",
  howGood: "Cómo de buena es",
  accuracyOn: (share, count) =>
    `Acertó en el ${percent(share)} de ${whole(count)} imágenes de prueba, que ningún entrenamiento vio y ninguna elección usó. Las copias casi iguales nunca están en ambos lados.`,
  testAccuracy: "Aciertos en las imágenes de prueba",
  crossAccuracy: "Aciertos en una validación cruzada de todas",
  macroF1: "Macro F1 en las imágenes de prueba",
  carelessAccuracy: "Lo que habría dicho una división descuidada",
  intervals: "Cada proporción lleva su intervalo del 95 %.",
  carelessMeans: "Descuidada: imágenes mezcladas y con copias, de modo que la misma imagen se aprende y se prueba.",
  byClass: "Resultados de cada clase",
  className: "Clase",
  recallShort: "Exhaustividad",
  precisionShort: "Precisión",
  testPictures: "Imágenes de prueba",
  declines: "Una imagen que no se parece a nada de lo que conoce se rechaza: la respuesta es ninguno de estos.",
  accepts: (share, count) => `Acepta el ${percent(share)} de ${whole(count)} imágenes de prueba de sus propias clases`,
  unknownsUnmeasured: "No se midió cuántas veces aceptaría algo desconocido.",
  acceptsUnknown: (share, pictures, classes) =>
    `De imágenes de una clase que no conoce aceptaría el ${percent(share)}, medido con ${whole(pictures)} imágenes dejando fuera ${whole(classes)} clases una a una. Lo que se parece a una clase conocida se acepta a menudo.`,
  limits: "Sus límites",
  limitClasses: "Solo conoce sus clases. Lo que se parece a una de ellas se toma a menudo por ella.",
  limitOne: "Da un solo nombre a una imagen, por muchas cosas que muestre.",
  limitKind:
    "Los resultados son de imágenes que llegaron por la misma vía que las que aprendió. Con otra cámara, dibujos u otros lugares y estaciones puede hacerlo peor.",
  weakest: (name, hits, of) => `Lo que peor reconoce es ${name}: ${whole(hits)} de ${whole(of)} imágenes de prueba.`,
  limitHarm: "Una respuesta es una estimación. Donde una equivocada haga daño, como si algo se puede comer, debe decidir una persona que lo sepa.",
  data: "De qué está hecha",
  madeFrom: (images, train, val, test) =>
    `${whole(images)} imágenes: ${whole(train)} para aprender, ${whole(val)} para elegir, ${whole(test)} para probar.`,
  sources: "Fuentes",
  licencesOfPictures: "Licencias de las imágenes",
  creditsFile: "Autor, licencia y fuente de cada imagen (CSV)",
  forms: "Sus formas",
  formsNote: "La misma guía para otros programas y dispositivos, cada una comparada con la propia guía en imágenes. El tiempo es el de una imagen, en el ordenador que la exportó.",
  form: "Forma",
  formSize: "Tamaño",
  formTime: "Tiempo mediano",
  formAgreement: "Misma primera respuesta",
  agrees: (share, count) => `${percent(share)} (${whole(count)} comparadas)`,
  madeWith: (version) => `Hecha con Fieldguide${version === "" ? "" : ` ${version}`}.`,
  learner: (learner, backbone) => `Método: ${learner}${backbone === "" ? "" : ` sobre ${backbone}`}.`,
  fingerprint: "Huella de sus datos:",

  privacyHere: "Su imagen no sale de este dispositivo. Se abre, se mira y se nombra en este navegador.",
  privacyHereProof: "Funciona también sin conexión después de la primera visita: no se envía nada a ningún sitio.",
  privacyServer:
    "Para nombrarla, su imagen se envía al servidor del que viene esta página. Está en memoria hasta que se responde, y no se guarda.",
  privacySwitch: "Si elige que se responda en este navegador, no se envía.",
  privacyFeedback:
    "Si dice lo que una imagen muestra de verdad, y solo entonces, esa imagen se guarda en el servidor con su respuesta para que los autores de esta guía aprendan de ella.",
  privacyNoFeedback: "Nada de lo que usted da se guarda en el servidor.",
  privacyLog: "El servidor puede anotar que hubo una petición, cuándo y cuánto tardó, sin la imagen.",
  onThisDevice: "En este dispositivo",
  privacyKept:
    "El navegador guarda el idioma que eligió y dónde quiere que se respondan las imágenes. Donde el servidor pide una clave, una cookie dice que usted la dio; no hay otras.",
  privacyKeptOffline: "El navegador guarda esta página con su modelo, para que funcione sin conexión, y el idioma que eligió. No hay cookies.",
  thirdParties: "Otros",
  privacyOthers:
    "Esta página no pide nada a ningún otro servidor: ni fuentes, ni estadísticas, ni publicidad. Los enlaces a fuentes y a más información llevan a otros sitios, que no saben de dónde viene usted.",
};
