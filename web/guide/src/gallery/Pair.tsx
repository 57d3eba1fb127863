import { ArrowLeft } from "lucide-react";

import { Credit } from "../Credit.tsx";
import type { Guide, GuideClass } from "../guide.ts";
import { address } from "../route.ts";
import { useNames } from "../useNames.ts";
import { useWords } from "../words/index.ts";
import { confusionText, Links, RecognisedText } from "./ClassPage.tsx";

const SHOWN = 4;

/** Two classes beside each other, to tell them apart. */
export function Pair({ guide, one, other }: { guide: Guide; one: GuideClass; other: GuideClass }) {
  const words = useWords();
  const nameOf = useNames();
  const row = one.neighbours?.find(({ name }) => name === other.name);
  return (
    <article className="pair">
      <p className="crumbs">
        <a href={address({ kind: "class", name: one.name, beside: null })}><ArrowLeft size={16} aria-hidden="true" /> {nameOf(one)}</a>
      </p>
      <h1 tabIndex={-1}>{words.pairTitle(nameOf(one), nameOf(other))}</h1>
      {row && <p className="soft number">{confusionText(words, nameOf(one), nameOf(other), row)}</p>}
      <div className="pair-sides">
        {[one, other].map((it) => <Side key={it.name} guide={guide} it={it} />)}
      </div>
    </article>
  );
}

function Side({ guide, it }: { guide: Guide; it: GuideClass }) {
  const words = useWords();
  const nameOf = useNames();
  return (
    <section>
      <h2><a href={address({ kind: "class", name: it.name, beside: null })}>{nameOf(it)}</a></h2>
      <p className="lead">{it.about}</p>
      <div>
        <div className="pair-pictures">
          {it.examples.slice(0, SHOWN).map((example, place) => (
            <figure key={example.file}>
              <img src={`./${example.file}`} alt={words.numberedExample(nameOf(it), place + 1)} loading="lazy" width="320" height="320" />
              <figcaption><Credit example={example} /></figcaption>
            </figure>
          ))}
        </div>
        <RecognisedText guide={guide} it={it} />
        <Links it={it} />
      </div>
    </section>
  );
}
