import { MonitorSmartphone, Server as ServerIcon, ShieldCheck } from "lucide-react";

import type { ModelState } from "../classifier.ts";
import type { Guide, Place } from "../guide.ts";
import { useWords } from "../words/index.ts";
import type { Places } from "./places.ts";

interface Props {
  guide: Guide;
  places: Places;
  place: Place;
  model: ModelState;
  onChoose: (place: Place) => void;
}

/** Where pictures are answered: a choice where there is one, and what it means for them. */
export function PlaceSwitch({ guide, places, place, model, onChoose }: Props) {
  const words = useWords();
  return (
    <div className="place">
      {places.server && places.browser && (
        <fieldset className="switch">
          <legend className="visually-hidden">{words.whereAnswered}</legend>
          <Option place="server" chosen={place} label={words.onServer} onChoose={onChoose} />
          <Option place="browser" chosen={place} label={words.inBrowser} onChoose={onChoose} />
        </fieldset>
      )}
      <p className="place-note soft">
        {place === "browser" && <ShieldCheck size={17} aria-hidden="true" />}
        {place === "server" ? words.serverNote(guide.served?.feedback ?? false) : words.browserNote}{" "}
        {place === "browser" && <Loading guide={guide} model={model} />}
      </p>
    </div>
  );
}

interface OptionProps {
  place: Place;
  chosen: Place;
  label: string;
  onChoose: (place: Place) => void;
}

function Option({ place, chosen, label, onChoose }: OptionProps) {
  const Icon = place === "server" ? ServerIcon : MonitorSmartphone;
  return (
    <label>
      <input type="radio" name="place" value={place} checked={place === chosen} onChange={() => onChoose(place)} />
      <Icon size={17} aria-hidden="true" />
      {label}
    </label>
  );
}

/** How far the model is, and how much it is to load. */
function Loading({ guide, model }: { guide: Guide; model: ModelState }) {
  const words = useWords();
  if (model.kind === "ready") return <span className="model-ready">{words.modelReady}</span>;
  if (model.kind === "loading") {
    return (
      <span className="model-loading">
        {words.loadingModel}{" "}
        <progress aria-label={words.modelLoaded} max={1} {...(model.share > 0 ? { value: model.share } : {})} />
      </span>
    );
  }
  return guide.served?.modelBytes ? <span>{words.modelSize(guide.served.modelBytes)}</span> : null;
}
