import type { ReactNode } from "react";

import type { Guide, GuideClass } from "../guide.ts";
import { useWords } from "../words/index.ts";

/** How well a class is recognised, each share with its interval, and how many pictures that was learnt from and measured on. */
export function ClassScores({ guide, it }: { guide: Guide; it: GuideClass }) {
  const words = useWords();
  const score = guide.scores.per_class[it.name];
  if (!score) return null;
  return (
    <section className="scores" aria-labelledby="scores">
      <h2 id="scores">{words.howWell}</h2>
      {score.support > 0 ? (
        <dl>
          <Share title={words.recall} value={score.recall} low={score.recall_low} high={score.recall_high} />
          <Share title={words.precision} value={score.precision} low={score.precision_low} high={score.precision_high} />
        </dl>
      ) : <p>{words.noTestPictures}</p>}
      <p className="soft number">
        {words.measuredOn(score.support)}
        {it.images && ` ${words.learntFrom(it.images.train + it.images.val)}`}
      </p>
    </section>
  );
}

interface ShareProps { title: ReactNode; value: number; low: number | undefined; high: number | undefined }

/** A share of 0..1 on its scale, its 95 % interval as a band. */
export function Share({ title, value, low, high }: ShareProps) {
  const words = useWords();
  return (
    <div className="share">
      <dt>{title}</dt>
      <dd>
        <span className="share-value number">{words.percent(value)}</span>
        <span className="scale" aria-hidden="true">
          {low !== undefined && high !== undefined && <span className="band" style={{ left: `${100 * low}%`, right: `${100 - 100 * high}%` }} />}
          <span className="point" style={{ left: `${100 * value}%` }} />
        </span>
        {low !== undefined && high !== undefined && <span className="soft number">{words.range(low, high)}</span>}
      </dd>
    </div>
  );
}
