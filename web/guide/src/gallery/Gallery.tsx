import { Search } from "lucide-react";
import { useDeferredValue } from "react";

import { type Guide, type GuideClass, recognised } from "../guide.ts";
import { address, replaceAddress, type Route } from "../route.ts";
import { useNames } from "../useNames.ts";
import { useLanguage, useWords } from "../words/index.ts";
import { type Order, search, sort } from "./search.ts";

type GalleryRoute = Extract<Route, { kind: "gallery" }>;

/** All that the guide knows: each class with a picture and how often it is recognised; what is typed stays in the address. */
export function Gallery({ guide, route }: { guide: Guide; route: GalleryRoute }) {
  const words = useWords();
  const language = useLanguage();
  const query = useDeferredValue(route.query);
  const shown = sort(search(guide.classes, query), route.order, language, guide.scores.per_class);
  const count = shown.length === guide.classes.length ? words.classCount(shown.length) : words.found(shown.length, guide.classes.length);
  return (
    <section className="gallery">
      <div className="gallery-head">
        <h1 tabIndex={-1}>{words.whatItKnows}</h1>
        <p className="soft" role="status">{count}</p>
      </div>
      <div className="gallery-bar">
        <label className="search">
          <Search size={18} aria-hidden="true" />
          <span className="visually-hidden">{words.search}</span>
          <input
            type="search" placeholder={words.search} value={route.query} autoComplete="off" spellCheck={false}
            onChange={(event) => replaceAddress({ ...route, query: event.target.value })}
          />
        </label>
        <label className="order">
          <span className="soft">{words.order}</span>
          <select value={route.order} onChange={(event) => replaceAddress({ ...route, order: event.target.value as Order })}>
            <option value="name">{words.byName}</option>
            <option value="hardest">{words.hardestFirst}</option>
          </select>
        </label>
      </div>
      {shown.length === 0 && <p className="nothing">{words.nothingFound(query)}</p>}
      <ul className="tiles">
        {shown.map((it) => <li key={it.name}><Tile guide={guide} it={it} /></li>)}
      </ul>
    </section>
  );
}

function Tile({ guide, it }: { guide: Guide; it: GuideClass }) {
  const words = useWords();
  const nameOf = useNames();
  const share = recognised(guide, it.name);
  return (
    <a className="tile" href={address({ kind: "class", name: it.name, beside: null })}>
      {it.examples[0] ? (
        <img src={`./${it.examples[0].file}`} alt="" loading="lazy" width="320" height="320" />
      ) : (
        <span className="no-example" aria-hidden="true">{Array.from(nameOf(it))[0]}</span>
      )}
      <span className="class-name">{nameOf(it)}</span>
      {share && <span className="tile-score soft number">{words.recognised(share.hits, share.of)}</span>}
    </a>
  );
}
