import type { ReactNode } from "react";

import { type Guide, recognised } from "../guide.ts";
import { Share } from "../gallery/ClassScores.tsx";
import { sort } from "../gallery/search.ts";
import { address } from "../route.ts";
import { useNames } from "../useNames.ts";
import { useLanguage, useWords } from "../words/index.ts";
import { Forms } from "./Forms.tsx";
import { Linked } from "./Linked.tsx";

/** What the guide is, whom it is from, how good it is, where it ends, and what it was made from. */
export function About({ guide }: { guide: Guide }) {
  const words = useWords();
  return (
    <article className="text about">
      <h1 tabIndex={-1}>{words.aboutTitle(guide.branding.title ?? guide.name)}</h1>
      {guide.about !== "" && <p className="lead">{guide.about}</p>}
      <p>{words.whatItDoes(guide.classes.length)}</p>
      {guide.branding.about !== undefined && <Paragraphs text={guide.branding.about} />}
      <Section title={words.intendedUse}>
        {guide.intendedUse === "" ? <p>{words.usualUse}</p> : <Paragraphs text={guide.intendedUse} />}
      </Section>
      <Goodness guide={guide} />
      <Declining guide={guide} />
      <Limits guide={guide} />
      <Data guide={guide} />
      <Forms guide={guide} />
      <Making guide={guide} />
    </article>
  );
}

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return <section><h2>{title}</h2>{children}</section>;
}

function Paragraphs({ text }: { text: string }) {
  return text.split(/\n\s*\n/).map((part) => <p key={part}><Linked text={part} /></p>);
}

function Goodness({ guide }: { guide: Guide }) {
  const words = useWords();
  const { accuracy, grouped, careless, macro_f1, macro_f1_interval, test_images } = guide.scores;
  const [share, low, high] = accuracy;
  return (
    <Section title={words.howGood}>
      <p>{test_images === undefined ? words.accuracy(share) : words.accuracyOn(share, test_images)}</p>
      <dl className="measures">
        <Share title={words.testAccuracy} value={share} low={low} high={high} />
        {grouped && <Share title={words.crossAccuracy} value={grouped[0]} low={grouped[1]} high={grouped[2]} />}
        {macro_f1 !== undefined && <Share title={words.macroF1} value={macro_f1} low={macro_f1_interval?.[0]} high={macro_f1_interval?.[1]} />}
        {careless && <Share title={words.carelessAccuracy} value={careless[0]} low={careless[1]} high={careless[2]} />}
      </dl>
      <p className="soft">{words.intervals}{careless && ` ${words.carelessMeans}`}</p>
      <ClassTable guide={guide} />
    </Section>
  );
}

function ClassTable({ guide }: { guide: Guide }) {
  const words = useWords();
  const nameOf = useNames();
  const rows = sort(guide.classes, "name", useLanguage(), guide.scores.per_class);
  const cell = (value: number, low: number | undefined, high: number | undefined) =>
    low === undefined || high === undefined ? words.percent(value) : <>{words.percent(value)} <span className="soft">({words.range(low, high)})</span></>;
  if (Object.keys(guide.scores.per_class).length === 0) return null;
  return (
    <details>
      <summary>{words.byClass}</summary>
      <div className="table" tabIndex={0} role="region" aria-label={words.byClass}>
        <table>
          <thead>
            <tr><th scope="col">{words.className}</th><th scope="col">{words.recallShort}</th><th scope="col">{words.precisionShort}</th><th scope="col">{words.testPictures}</th></tr>
          </thead>
          <tbody>
            {rows.map((it) => {
              const score = guide.scores.per_class[it.name];
              return score && (
                <tr key={it.name}>
                  <th scope="row"><a href={address({ kind: "class", name: it.name, beside: null })}>{nameOf(it)}</a></th>
                  <td>{cell(score.recall, score.recall_low, score.recall_high)}</td>
                  <td>{cell(score.precision, score.precision_low, score.precision_high)}</td>
                  <td>{words.count(score.support)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function Declining({ guide }: { guide: Guide }) {
  const words = useWords();
  const { true_accept, true_accept_interval, test_images, false_accept, left_out, left_out_images } = guide.decline;
  if (true_accept === undefined) return null;
  return (
    <Section title={words.noneOfThese}>
      <p>
        {words.declines}{" "}
        {words.accepts(true_accept, test_images ?? 0)}
        {true_accept_interval && ` (${words.range(...true_accept_interval)}).`}{" "}
        {false_accept === null || false_accept === undefined ? words.unknownsUnmeasured : words.acceptsUnknown(false_accept, left_out_images ?? 0, left_out ?? 0)}
      </p>
    </Section>
  );
}

function Limits({ guide }: { guide: Guide }) {
  const words = useWords();
  const nameOf = useNames();
  const weakest = sort(guide.classes, "hardest", useLanguage(), guide.scores.per_class)[0];
  const share = weakest && recognised(guide, weakest.name);
  return (
    <Section title={words.limits}>
      {guide.limitations !== "" && <Paragraphs text={guide.limitations} />}
      <ul>
        <li>{words.limitClasses}</li>
        <li>{words.limitOne}</li>
        <li>{words.limitKind}</li>
        {share && share.hits < share.of && <li>{words.weakest(nameOf(weakest), share.hits, share.of)}</li>}
        <li><strong>{words.limitHarm}</strong></li>
      </ul>
    </Section>
  );
}

function Data({ guide }: { guide: Guide }) {
  const words = useWords();
  const { images, train, val, test, by_source: sources, by_licence: licences } = guide.data;
  return (
    <Section title={words.data}>
      {images !== undefined && <p>{words.madeFrom(images, train ?? 0, val ?? 0, test ?? 0)}</p>}
      {sources && <Counts title={words.sources} counts={sources} />}
      {licences && <Counts title={words.licencesOfPictures} counts={licences} />}
      <p><a href="./CREDITS.csv" download>{words.creditsFile}</a></p>
    </Section>
  );
}

function Counts({ title, counts }: { title: string; counts: Readonly<Record<string, number>> }) {
  const words = useWords();
  const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  return (
    <p>
      <span className="soft">{title}:</span>{" "}
      {rows.map(([name, count], place) => <span key={name}>{place > 0 && ", "}{name} <span className="number">({words.count(count)})</span></span>)}
    </p>
  );
}

function Making({ guide }: { guide: Guide }) {
  const words = useWords();
  const { learner, backbone, toolVersion, fingerprint } = guide.making;
  return (
    <p className="soft making">
      {words.madeWith(toolVersion)}{learner !== "" && ` ${words.learner(learner, backbone)}`}
      {fingerprint !== "" && <> {words.fingerprint} <code>{fingerprint.slice(0, 16)}</code>.</>}
    </p>
  );
}
