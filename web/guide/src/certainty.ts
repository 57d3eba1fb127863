/**
 * How sure an answer is, and what it is a kind of where the class itself is unsure: as `fieldguide/guide/certainty.py`.
 */

import type { Answer, Guide } from "./guide.ts";

export type Level = "certain" | "sure" | "leaning" | "unsure";

/** What stands for an answer: a class, or what several classes are kinds of. */
export interface Verdict {
  readonly level: Level;
  readonly prob: number;
  /** what the class is a kind of, such as its genus, where that is sure and the class is not; else "" */
  readonly parent: string;
  /** of so many answers as sure as this one, how many are right */
  readonly right: number;
  readonly of: number;
}

const CERTAIN = 0.97, SURE = 0.9;

/** Return how sure an answer is; among few it is counted, as people grasp that better (Gigerenzer and Hoffrage, 1995). */
export function verdictOf(guide: Guide, { probs, order }: Pick<Answer, "probs" | "order">): Verdict {
  const best = probs[order[0] ?? 0] ?? 0;
  const [parent, share] = parentOf(guide, probs, order[0] ?? 0);
  const prob = parent === "" ? best : share;
  const of = prob >= 0.95 ? 100 : 10;
  return { level: levelOf(prob, guide.unsureBelow), prob, parent, right: Math.min(of - 1, Math.max(1, Math.round(prob * of))), of };
}

function levelOf(prob: number, unsureBelow: number): Level {
  if (prob >= CERTAIN) return "certain";
  if (prob >= SURE) return "sure";
  return prob >= unsureBelow ? "leaning" : "unsure";
}

/** Return what a class is a kind of and how probable that is; "" where the class is sure, or that is as unsure. */
function parentOf(guide: Guide, probs: readonly number[], first: number): readonly [string, number] {
  const parents = sharedParents(guide);
  const parent = parents[first] ?? "";
  if (parent === "" || (probs[first] ?? 0) >= guide.unsureBelow) return ["", 0];
  const share = probs.reduce((sum, prob, place) => (parents[place] === parent ? sum + prob : sum), 0);
  return share >= guide.unsureBelow ? [parent, share] : ["", 0];
}

/** Return the parent of each class; one of a single class says no more than the class, and a shared one is its own. */
function sharedParents({ classes }: Guide): readonly string[] {
  const counts = new Map<string, number>();
  for (const { parent } of classes) if (parent) counts.set(parent, (counts.get(parent) ?? 0) + 1);
  const names = new Set(classes.map(({ name }) => name));
  const isShared = (name: string) => (counts.get(name) ?? 0) + (counts.has(name) && names.has(name) ? 1 : 0) > 1;
  return classes.map(({ name, parent }) => (isShared(name) ? name : parent && isShared(parent) ? parent : ""));
}
