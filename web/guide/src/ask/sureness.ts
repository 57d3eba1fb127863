/** A calibrated probability in words. */

export type Level = "certain" | "veryLikely" | "likely" | "leaning" | "guess";

export interface Sureness {
  readonly level: Level;
  /** of so many answers as sure as this one, how many are right */
  readonly right: number;
  readonly of: number;
}

const LEVELS: readonly (readonly [number, Level])[] = [
  [0.97, "certain"], [0.88, "veryLikely"], [0.7, "likely"], [0.5, "leaning"], [0, "guess"],
];

/** Return the words for a probability; among few it is counted, as people grasp that better (Gigerenzer, 1995). */
export function sureness(prob: number): Sureness {
  const level = LEVELS.find(([least]) => prob >= least)?.[1] ?? "guess";
  const of = prob > 0.945 || prob < 0.05 ? 100 : 10;
  return { level, right: Math.min(of - 1, Math.max(1, Math.round(prob * of))), of };
}
