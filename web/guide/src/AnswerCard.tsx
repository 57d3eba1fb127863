import { CircleHelp } from "lucide-react";

import { Credit } from "./Credit.tsx";
import { type Answer, type Guide, type GuideClass, webAddress } from "./guide.ts";
import { useWords } from "./words/index.ts";

const SHOWN = 5;

/** The name of a picture, how sure it is, and an example to compare it with; or that it is none of these. */
export function AnswerCard({ guide, answer }: { guide: Guide; answer: Answer }) {
  const words = useWords();
  const best = answer.order.slice(0, SHOWN);
  const first = guide.classes[best[0] ?? 0];
  return (
    <div className="answer" data-declined={answer.declined}>
      {answer.declined ? (
        <>
          <h2 className="answer-name declined"><CircleHelp size={26} aria-hidden="true" /> {words.noneOfThese}</h2>
          <p className="soft">{words.nearest}</p>
        </>
      ) : (
        <>
          <h2 className="answer-name">{first?.name}</h2>
          {first && first.about !== "" && <p className="soft">{first.about}</p>}
        </>
      )}
      <ul className="bars">
        {best.map((place) => (
          <Bar key={place} name={guide.classes[place]?.name ?? ""} prob={answer.probs[place] ?? 0} quiet={answer.declined} />
        ))}
      </ul>
      {first && !answer.declined && <Compare it={first} />}
      <p className="soft number took">{words.tookHere(answer.decodeMs + answer.modelMs)}</p>
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

/** An example of the class with its credit, and where to read more. */
function Compare({ it }: { it: GuideClass }) {
  const words = useWords();
  const example = it.examples[0];
  const links = it.links.flatMap((link) => {
    const { url, label } = typeof link === "string" ? { url: link, label: "" } : link;
    const address = webAddress(url);
    return address === null ? [] : [[address, label || new URL(address).host] as const];
  });
  return (
    <div className="compare">
      {example && (
        <figure>
          <img src={`./${example.file}`} alt={words.exampleOf(it.name)} />
          <figcaption><Credit example={example} /></figcaption>
        </figure>
      )}
      {links.length > 0 && (
        <div>
          <h3>{words.readMore}</h3>
          <ul className="links">
            {links.map(([address, label]) => (
              <li key={address}><a href={address} rel="noreferrer noopener" target="_blank">{label}</a></li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
