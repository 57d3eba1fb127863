/** How figures and codes are written for a person. */

export const formatCount = (count: number) => count.toLocaleString("en");

/** Write a code as words: `two_labels` is "two labels". */
export const asWords = (code: string) => code.replaceAll("_", " ");

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Write a moment as the person's own clock shows it. */
export function formatTime(moment: string): string {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? moment : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Return the plain or the plural form with its count: "1 picture", "1,310 pictures". */
export const count = (number: number, noun: string) => `${formatCount(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Write what a server says as a sentence. */
export const asSentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");

/** Say what the picture beside another is: where two labels are at odds, neither copy is kept. */
export const nameCopy = (copy: { sha256: string; state: string }, copyOf: string | undefined) =>
  copy.sha256 === copyOf && copy.state !== "rejected" ? "the copy that is kept" : "a near-copy";
