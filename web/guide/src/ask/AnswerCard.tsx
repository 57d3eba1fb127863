import { Button } from "@fieldguide/ui";
import { ArrowRight, CircleHelp, ExternalLink } from "lucide-react";
import { useState } from "react";

import { verdictOf } from "../certainty.ts";
import { Credit } from "../Credit.tsx";
import { type Answer, type Guide, type GuideClass, webAddress } from "../guide.ts";
import { nameIn } from "../names.ts";
import { address } from "../route.ts";
import { useLanguage, useWords } from "../words/index.ts";
import { Feedback } from "./Feedback.tsx";
import type { Picture } from "./pictures.ts";
import type { Places } from "./places.ts";
import { titleOf } from "./title.ts";

const SHOWN = 5;
const WORTH_SHOWING = 0.01;
const AT_LEAST = 3;
const EXAMPLES = 3;

interface Props {
  guide: Guide;
  places: Places;
  picture: Picture;
  answer: Answer;
  /** ask again, at the other place */
  onAskAt: (place: keyof Places) => void;
}

/** The name of a picture, how sure it is, and what it looks like elsewhere; or that it is none of these. */
export function AnswerCard({ guide, places, picture, answer, onAskAt }: Props) {
  const best = guide.classes[answer.order[0] ?? 0];
  const other = answer.place === "server" ? "browser" : "server";
  return (
    <div className="answer" data-declined={answer.declined} data-place={answer.place}>
      {answer.declined || !best ? <Declined guide={guide} answer={answer} /> : <Named guide={guide} it={best} answer={answer} />}
      <Bars guide={guide} answer={answer} />
      {best && !answer.declined && <Compare it={best} />}
      <Took answer={answer} onAsk={places[other] ? () => onAskAt(other) : null} />
      {guide.served?.feedback && places.server && <Feedback guide={guide} picture={picture} server={places.server} />}
    </div>
  );
}

function Named({ guide, it, answer }: { guide: Guide; it: GuideClass; answer: Answer }) {
  const words = useWords();
  const language = useLanguage();
  const { level, parent, right, of } = verdictOf(guide, answer);
  const [title, prob] = titleOf(guide, answer, words, language);
  const second = guide.classes[answer.order[1] ?? -1];
  return (
    <header className="named">
      <p className="verdict" data-level={level}>{words.sure[level]}</p>
      <div className="named-row">
        <h2 className="answer-name">{title}</h2>
        <p className="answer-prob number">{words.percent(prob)}</p>
      </div>
      <p className="soft odds">{words.odds(right, of)}</p>
      {parent !== "" && <p>{words.whichKind(nameIn(it, language))}</p>}
      {parent === "" && level === "unsure" && second && (
        <p>{words.orElse(nameIn(second, language), answer.probs[answer.order[1] ?? 0] ?? 0)}</p>
      )}
      {it.about !== "" && <p className="answer-about">{it.about}</p>}
    </header>
  );
}

function Declined({ guide, answer }: { guide: Guide; answer: Answer }) {
  const words = useWords();
  const language = useLanguage();
  const nearest = answer.order.slice(0, EXAMPLES).flatMap((place) => guide.classes[place] ?? []);
  return (
    <header className="named">
      <p className="verdict" data-level="none">{words.notKnown}</p>
      <h2 className="answer-name declined"><CircleHelp size={30} aria-hidden="true" /> {words.noneOfThese}</h2>
      <p>{words.nearest}</p>
      <ul className="nearest">
        {nearest.map((it) => (
          <li key={it.name}>
            <a href={address({ kind: "class", name: it.name, beside: null })}>
              {it.examples[0] && <img src={`./${it.examples[0].file}`} alt="" />}
              <span>{nameIn(it, language)}</span>
            </a>
          </li>
        ))}
      </ul>
    </header>
  );
}

/** The most probable classes, or all of them. */
function Bars({ guide, answer }: { guide: Guide; answer: Answer }) {
  const words = useWords();
  const language = useLanguage();
  const [isWhole, setWhole] = useState(false);
  const isWorth = (place: number, rank: number) => rank < AT_LEAST || (answer.probs[place] ?? 0) >= WORTH_SHOWING;
  const best = answer.order.slice(0, SHOWN).filter(isWorth);
  const shown = isWhole ? answer.order : best;
  const rest = answer.order.length - best.length;
  return (
    <div className="probs">
      <h3>{answer.declined ? words.closest : words.howSure}</h3>
      <ul className="bars">
        {shown.map((place) => {
          const it = guide.classes[place];
          return it && <Bar key={place} name={nameIn(it, language)} prob={answer.probs[place] ?? 0} quiet={answer.declined} />;
        })}
      </ul>
      {rest > 0 && (
        <Button tone="quiet" className="more" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? words.fewer : words.others(rest)}
        </Button>
      )}
    </div>
  );
}

function Bar({ name, prob, quiet }: { name: string; prob: number; quiet: boolean }) {
  const words = useWords();
  return (
    <li className={quiet ? "bar quiet" : "bar"}>
      <span className="bar-name">{name}</span>
      <span className="number">{words.percent(prob)}</span>
      <span className="bar-track" aria-hidden="true">
        <span style={{ width: `${100 * prob}%` }} />
      </span>
    </li>
  );
}

/** Examples of the class with their credits, and where to read more. */
function Compare({ it }: { it: GuideClass }) {
  const words = useWords();
  const language = useLanguage();
  const links = it.links.flatMap((link) => {
    const { url, label } = typeof link === "string" ? { url: link, label: "" } : link;
    const web = webAddress(url);
    return web === null ? [] : [[web, label || new URL(web).host] as const];
  });
  return (
    <>
      {it.examples.length > 0 && (
        <div className="compare">
          <h3>{words.compareWith}</h3>
          <ul className="examples">
            {it.examples.slice(0, EXAMPLES).map((example) => (
              <li key={example.file}>
                <figure>
                  <img src={`./${example.file}`} alt={words.exampleOf(nameIn(it, language))} loading="lazy" />
                  <figcaption><Credit example={example} /></figcaption>
                </figure>
              </li>
            ))}
          </ul>
        </div>
      )}
      <div className="read-more">
        <h3>{words.readMore}</h3>
        <ul className="links">
          <li>
            <a href={address({ kind: "class", name: it.name, beside: null })}>{words.inThisGuide} <ArrowRight size={15} aria-hidden="true" /></a>
          </li>
          {links.map(([web, label]) => (
            <li key={web}>
              <a href={web} rel="noreferrer noopener" target="_blank">{label} <ExternalLink size={14} aria-hidden="true" /></a>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}

/** Which of the two answered, how long it took, and the way to ask the other. */
function Took({ answer, onAsk }: { answer: Answer; onAsk: (() => void) | null }) {
  const words = useWords();
  const isServer = answer.place === "server";
  return (
    <div className="took">
      <p className="soft number">{isServer ? words.tookServer(answer.tookMs) : words.tookHere(answer.tookMs)}</p>
      {onAsk && <Button tone="quiet" onClick={onAsk}>{isServer ? words.askBrowser : words.askServer}</Button>}
    </div>
  );
}
