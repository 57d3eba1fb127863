/** An answer in a few words. */

import { verdictOf } from "../certainty.ts";
import type { Answer, Guide } from "../guide.ts";
import { nameIn } from "../names.ts";
import type { Words } from "../words/index.ts";

/** Return what stands for an answer, such as "rose" or "some Rosa", and how probable that is. */
export function titleOf(guide: Guide, answer: Answer, words: Words, language: string): readonly [string, number] {
  const { parent, prob } = verdictOf(guide, answer);
  const first = guide.classes[answer.order[0] ?? 0];
  return [parent !== "" ? words.some(parent) : first ? nameIn(first, language) : "", prob];
}
