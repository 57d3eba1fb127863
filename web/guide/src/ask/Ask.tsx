import { lazy, Suspense, useState } from "react";

import { Button } from "@fieldguide/ui";
import { ImageDown, Trash2, X } from "lucide-react";

import type { ModelState } from "../classifier.ts";
import type { Guide } from "../guide.ts";
import { BadImage } from "../header.ts";
import { Trouble } from "../Trouble.tsx";
import { useLanguage, type Words, useWords } from "../words/index.ts";
import { AnswerCard } from "./AnswerCard.tsx";
import { useGiven } from "./given.ts";
import { Picker } from "./Picker.tsx";
import { type Picture, usePictures } from "./pictures.ts";
import { type Places, useModel, usePlace } from "./places.ts";
import { PlaceSwitch } from "./PlaceSwitch.tsx";
import { Strip } from "./Strip.tsx";
import { titleOf } from "./title.ts";
import { Tries } from "./Tries.tsx";

const CameraDialog = lazy(() => import("./CameraDialog.tsx"));

interface Props {
  guide: Guide;
  places: Places;
  /** called when a picture is given, from whichever view */
  onAsk: () => void;
}

/** The view that one comes to: pictures are given, and their names stand beside them. */
export function Ask({ guide, places, onAsk }: Props) {
  const words = useWords();
  const language = useLanguage();
  const [place, setPlace] = usePlace(places);
  const model = useModel(places.browser);
  const asker = place === "browser" ? places.browser : places.server;
  const { pictures, chosen, add, ask, choose, remove, clear } = usePictures(asker);
  const [isCameraOpen, setCameraOpen] = useState(false);
  const take = (files: readonly Blob[]) => {
    onAsk();
    setCameraOpen(false);
    add(files);
  };
  const isOver = useGiven(take);
  const changePlace = (next: typeof place) => {
    setPlace(next);
    if (next === "browser") places.browser?.load();
  };
  const picker = (
    <Picker formats={guide.limits.formats} more={chosen !== null} onFiles={take} onCamera={() => setCameraOpen(true)} />
  );
  const placeSwitch = <PlaceSwitch guide={guide} places={places} place={place} model={model} onChoose={changePlace} />;
  return (
    <div className={isOver ? "ask over" : "ask"}>
      {chosen === null ? (
        <section className="welcome" aria-labelledby="welcome-title">
          <ImageDown className="welcome-mark" size={44} strokeWidth={1.25} aria-hidden="true" />
          <h2 id="welcome-title">{words.whatIsIt}</h2>
          {guide.about !== "" && <p className="lead">{guide.about}</p>}
          <p className="soft">{words.giveAPicture(guide.classes.length)}</p>
          {picker}
          <p className="soft hint">{words.dropOrPaste}</p>
          {placeSwitch}
          <Tries guide={guide} onFile={(file) => take([file])} />
        </section>
      ) : (
        <div className="asked">
          <section className="given" aria-label={words.picture}>
            <div className="stage">
              <img src={chosen.url} alt={words.yourPicture} />
              <Button className="stage-remove" aria-label={words.removePicture} icon={<X size={18} aria-hidden="true" />} onClick={() => remove(chosen.id)} />
            </div>
            {pictures.length > 1 && <Strip guide={guide} pictures={pictures} chosen={chosen} onChoose={choose} />}
            <div className="given-bar">
              {picker}
              {pictures.length > 1 && (
                <Button tone="quiet" icon={<Trash2 size={17} aria-hidden="true" />} onClick={clear}>{words.clearAll}</Button>
              )}
            </div>
            {placeSwitch}
          </section>
          <section className="result" aria-label={words.answer} aria-busy={chosen.result.kind === "asking"}>
            <Shown
              key={chosen.id}
              guide={guide}
              places={places}
              picture={chosen}
              loading={place === "browser" ? model : null}
              onAskAt={(next) => void ask(chosen, places[next])}
            />
          </section>
        </div>
      )}
      <p className="visually-hidden" role="status">{chosen ? spoken(chosen, guide, words, language) : ""}</p>
      {isCameraOpen && (
        <Suspense>
          <CameraDialog onPicture={(file) => take([file])} onClose={() => setCameraOpen(false)} />
        </Suspense>
      )}
    </div>
  );
}

interface ShownProps {
  guide: Guide;
  places: Places;
  picture: Picture;
  /** the model, where it is waited for */
  loading: ModelState | null;
  onAskAt: (place: keyof Places) => void;
}

function Shown({ guide, places, picture, loading, onAskAt }: ShownProps) {
  const words = useWords();
  const { result } = picture;
  if (result.kind === "answer") {
    return <AnswerCard guide={guide} places={places} picture={picture} answer={result.answer} onAskAt={onAskAt} />;
  }
  if (result.kind === "trouble") return <Refusal error={result.error} />;
  return (
    <div className="waiting">
      <span className="spinner" aria-hidden="true" />
      <p>{loading?.kind === "loading" ? words.loadingModel : words.looking}</p>
    </div>
  );
}

/** Why there is no answer. */
function Refusal({ error }: { error: unknown }) {
  const words = useWords();
  const reason = error instanceof BadImage ? error.reason : "";
  const message = words.refusals[reason] ?? (error instanceof Error ? error.message : "");
  return <Trouble title={reason === "" ? words.wentWrong : words.unusable} message={message} />;
}

/** Return an answer in the words that a screen reader says. */
function spoken({ result }: Picture, guide: Guide, words: Words, language: string): string {
  if (result.kind !== "answer") return result.kind === "asking" ? words.looking : "";
  if (result.answer.declined) return words.noneOfThese;
  const [title, prob] = titleOf(guide, result.answer, words, language);
  return `${title}, ${words.percent(prob)}`;
}
