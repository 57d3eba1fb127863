import { ArrowLeft, ArrowRight } from "lucide-react";

import { Credit } from "../Credit.tsx";
import { type Guide, type GuideClass, type Neighbour, recognised, webLinks } from "../guide.ts";
import { findClass, otherNames } from "../names.ts";
import { NotFound } from "../NotFound.tsx";
import { address, type Route } from "../route.ts";
import { useNames } from "../useNames.ts";
import { useLanguage, useWords } from "../words/index.ts";
import { ClassScores } from "./ClassScores.tsx";
import { Pair } from "./Pair.tsx";
import { sort } from "./search.ts";

/** One class: its pictures, what it is, how well it is recognised, and what it is confused with; or two beside each other. */
export function ClassPage({ guide, route }: { guide: Guide; route: Extract<Route, { kind: "class" }> }) {
  const words = useWords();
  const it = findClass(guide, route.name);
  const other = route.beside === null ? undefined : findClass(guide, route.beside);
  if (!it) return <NotFound message={words.noSuchClass(route.name)} />;
  if (route.beside !== null && (!other || other === it)) return <NotFound message={words.noSuchClass(route.beside)} />;
  return other ? <Pair guide={guide} one={it} other={other} /> : <Entry guide={guide} it={it} />;
}

function Entry({ guide, it }: { guide: Guide; it: GuideClass }) {
  const words = useWords();
  const nameOf = useNames();
  return (
    <article className="entry" key={it.name}>
      <p className="crumbs"><a href={address({ kind: "gallery", query: "", order: "name" })}><ArrowLeft size={16} aria-hidden="true" /> {words.gallery}</a></p>
      <div className="entry-top">
        <Examples it={it} />
        <div className="entry-text">
          <h1 tabIndex={-1}>{nameOf(it)}</h1>
          <OtherNames it={it} />
          <Parent guide={guide} it={it} />
          {it.about !== "" && <p className="lead">{it.about}</p>}
          <Links it={it} />
          <ClassScores guide={guide} it={it} />
        </div>
      </div>
      <Neighbours guide={guide} it={it} />
      <Turn guide={guide} it={it} />
    </article>
  );
}

function OtherNames({ it }: { it: GuideClass }) {
  const names = otherNames(it, useLanguage());
  if (names.length === 0) return null;
  return (
    <p className="other-names soft">
      {names.map(([language, name], place) => (
        <span key={name}>{place > 0 && " · "}<span lang={language ?? undefined}>{name}</span></span>
      ))}
    </p>
  );
}

/** What it is a kind of: the way to that, where it is a class too, else to all of its kinds. */
function Parent({ guide, it }: { guide: Guide; it: GuideClass }) {
  const words = useWords();
  const nameOf = useNames();
  if (!it.parent) return null;
  const { parent } = it;
  const own = guide.classes.find(({ name }) => name === parent);
  const to = own ? address({ kind: "class", name: own.name, beside: null }) : address({ kind: "gallery", query: parent, order: "name" });
  return <p className="parent"><span className="soft">{words.kindOf}</span> <a href={to}>{own ? nameOf(own) : parent}</a></p>;
}

/** Its examples, each with its credit; the first one large. */
function Examples({ it }: { it: GuideClass }) {
  const words = useWords();
  const nameOf = useNames();
  if (it.examples.length === 0) return <p className="no-examples soft">{words.noExamples}</p>;
  return (
    <div className="specimens" data-count={it.examples.length}>
      {it.examples.map((example, place) => (
        <figure key={example.file}>
          <img src={`./${example.file}`} alt={words.numberedExample(nameOf(it), place + 1)} width="320" height="320" />
          <figcaption><Credit example={example} /></figcaption>
        </figure>
      ))}
    </div>
  );
}

export function Links({ it }: { it: GuideClass }) {
  const words = useWords();
  const links = webLinks(it);
  if (links.length === 0) return null;
  return (
    <p className="further">
      <span className="soft">{words.readMore}:</span>{" "}
      {links.map(([url, label]) => <a key={url} href={url} rel="noreferrer noopener" target="_blank">{label}</a>)}
    </p>
  );
}

/** The classes that it is confused with most, each beside it. */
function Neighbours({ guide, it }: { guide: Guide; it: GuideClass }) {
  const words = useWords();
  const neighbours = (it.neighbours ?? []).flatMap((row) => {
    const other = guide.classes.find(({ name }) => name === row.name);
    return other ? [{ row, other }] : [];
  });
  if (neighbours.length === 0) return null;
  const isConfused = neighbours.some(({ row }) => row.taken_for_it[0] + row.it_taken_for_this[0] > 0);
  return (
    <section className="neighbours" aria-labelledby="neighbours">
      <h2 id="neighbours">{isConfused ? words.confusedWith : words.nearestTo}</h2>
      <ul>
        {neighbours.map(({ row, other }) => <li key={other.name}><Beside it={it} other={other} row={row} /></li>)}
      </ul>
    </section>
  );
}

function Beside({ it, other, row }: { it: GuideClass; other: GuideClass; row: Neighbour }) {
  const words = useWords();
  const nameOf = useNames();
  return (
    <div className="beside">
      <div className="beside-sides">
        {[it, other].map((each) => (
          <div key={each.name}>
            {each.examples[0] ? <img src={`./${each.examples[0].file}`} alt="" loading="lazy" width="160" height="160" /> : <span className="no-example" aria-hidden="true" />}
            {each === it ? <p className="beside-name">{nameOf(it)}</p> : (
              <h3 className="beside-name"><a href={address({ kind: "class", name: other.name, beside: null })}>{nameOf(other)}</a></h3>
            )}
            {each.about !== "" && <p>{each.about}</p>}
          </div>
        ))}
      </div>
      <p className="soft number">{confusionText(words, nameOf(it), nameOf(other), row)}</p>
      <p><a className="compare-link" href={address({ kind: "class", name: it.name, beside: other.name })}>{words.compareThem(nameOf(it), nameOf(other))}</a></p>
    </div>
  );
}

/** Say how often two classes were taken for each other. */
export function confusionText(words: ReturnType<typeof useWords>, one: string, other: string, row: Neighbour): string {
  const on = row.measured_on === "test" ? words.ofTestPictures : words.ofAllPictures;
  const there = words.takenFor(row.taken_for_it[0], row.taken_for_it[1], one, other);
  const back = words.takenFor(row.it_taken_for_this[0], row.it_taken_for_this[1], other, one);
  return `${there} ${back} ${on}`;
}

/** The ways to the classes before and behind it, as in a book. */
function Turn({ guide, it }: { guide: Guide; it: GuideClass }) {
  const words = useWords();
  const nameOf = useNames();
  const order = sort(guide.classes, "name", useLanguage(), guide.scores.per_class);
  const place = order.indexOf(it);
  const [before, behind] = [order[place - 1], order[place + 1]];
  return (
    <nav className="book-turn" aria-label={words.turn}>
      {before ? <a href={address({ kind: "class", name: before.name, beside: null })}><ArrowLeft size={18} aria-hidden="true" /> {nameOf(before)}</a> : <span />}
      {behind && <a href={address({ kind: "class", name: behind.name, beside: null })}>{nameOf(behind)} <ArrowRight size={18} aria-hidden="true" /></a>}
    </nav>
  );
}

/** How many of a class's test pictures were named rightly, in words; nothing where no one knows. */
export function RecognisedText({ guide, it }: { guide: Guide; it: GuideClass }) {
  const words = useWords();
  const share = recognised(guide, it.name);
  return share ? <p className="soft number">{words.recognised(share.hits, share.of)}</p> : null;
}
