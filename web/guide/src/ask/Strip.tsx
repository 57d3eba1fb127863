import { CircleHelp, TriangleAlert } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef } from "react";

import type { Guide } from "../guide.ts";
import { useLanguage, useWords } from "../words/index.ts";
import type { Picture } from "./pictures.ts";
import { titleOf } from "./title.ts";

interface Props {
  guide: Guide;
  pictures: readonly Picture[];
  chosen: Picture | null;
  onChoose: (id: number) => void;
}

/** All pictures that were given, small and in a row, each with its name; the arrow keys go from one to the next. */
export function Strip({ guide, pictures, chosen, onChoose }: Props) {
  const words = useWords();
  const list = useRef<HTMLUListElement>(null);
  const step = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const place = pictures.findIndex((picture) => picture.id === chosen?.id);
    const next = by === undefined ? undefined : pictures[place + by];
    if (!next) return;
    event.preventDefault();
    onChoose(next.id);
    list.current?.querySelectorAll("button")[place + (by ?? 0)]?.focus();
  };
  useEffect(() => {
    list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [chosen?.id]);
  return (
    <ul className="strip" ref={list} onKeyDown={step} aria-label={words.yourPictures}>
      {pictures.map((picture, place) => (
        <li key={picture.id}>
          <button
            type="button"
            className="strip-picture"
            {...(picture.id === chosen?.id ? { "aria-current": true } : {})}
            onClick={() => onChoose(picture.id)}
          >
            <img src={picture.url} alt={words.pictureNumber(place + 1)} />
            <Caption guide={guide} picture={picture} />
          </button>
        </li>
      ))}
    </ul>
  );
}

function Caption({ guide, picture: { result } }: { guide: Guide; picture: Picture }) {
  const words = useWords();
  const language = useLanguage();
  if (result.kind === "asking") return <span className="strip-name soft">{words.looking}</span>;
  if (result.kind === "trouble") {
    return <span className="strip-name bad"><TriangleAlert size={14} aria-hidden="true" />{words.unusableShort}</span>;
  }
  const { answer } = result;
  if (answer.declined) {
    return <span className="strip-name warn"><CircleHelp size={14} aria-hidden="true" />{words.noneOfThese}</span>;
  }
  const [title, prob] = titleOf(guide, answer, words, language);
  return (
    <span className="strip-name">
      {title} <span className="number soft">{words.percent(prob)}</span>
    </span>
  );
}
