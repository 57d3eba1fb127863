import { useEffect, useRef, useState, useSyncExternalStore } from "react";

import { AnswerCard } from "./AnswerCard.tsx";
import type { Classifier } from "./classifier.ts";
import { Classes } from "./Classes.tsx";
import { Footer } from "./Footer.tsx";
import type { Answer, Guide } from "./guide.ts";
import { BadImage } from "./header.ts";
import { useOffline } from "./offline.ts";
import { Picker } from "./Picker.tsx";
import { Trouble } from "./Trouble.tsx";

type Result =
  | { readonly kind: "none" }
  | { readonly kind: "asking" }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "trouble"; readonly title: string; readonly message: string };

/** The page: a picture is chosen on one side, its name stands on the other, what the guide knows below. */
export function App({ guide, classifier }: { guide: Guide; classifier: Classifier }) {
  const model = useSyncExternalStore(classifier.subscribe, classifier.state);
  const isKept = useOffline(model.kind === "ready");
  const [picture, setPicture] = useState<string | null>(null);
  const [result, setResult] = useState<Result>({ kind: "none" });
  const asked = useRef(0);

  const ask = async (file: Blob) => {
    const number = ++asked.current;
    setPicture(URL.createObjectURL(file));
    setResult({ kind: "asking" });
    const next = await answerFor(classifier, file);
    if (number === asked.current) setResult(next);
  };
  useEffect(() => () => {
    if (picture !== null) URL.revokeObjectURL(picture);
  }, [picture]);

  return (
    <div className="page">
      <header className="head">
        <img src="./icon.svg" alt="" width="40" height="40" />
        <div>
          <h1>{guide.name}</h1>
          {guide.about !== "" && <p className="soft">{guide.about}</p>}
        </div>
      </header>
      <main className="main">
        <Picker picture={picture} formats={guide.limits.formats} onFile={(file) => void ask(file)} />
        <section className="result" aria-live="polite" aria-label="Answer">
          {model.kind === "unusable" ? (
            <Trouble title="The model does not run in this browser" message={`${model.message}. Try a newer browser.`} />
          ) : (
            <Shown result={result} guide={guide} loading={model.kind === "loading" ? model.share : null} />
          )}
        </section>
        <Classes guide={guide} />
      </main>
      <Footer guide={guide} isKept={isKept} />
    </div>
  );
}

function Shown({ result, guide, loading }: { result: Result; guide: Guide; loading: number | null }) {
  if (result.kind === "answer") return <AnswerCard guide={guide} answer={result.answer} />;
  if (result.kind === "trouble") return <Trouble title={result.title} message={result.message} />;
  if (result.kind === "asking") {
    return (
      <div className="waiting">
        <p>{loading === null ? "Looking…" : "Loading the model…"}</p>
        {loading !== null && <progress aria-label="Model loaded" max={1} {...(loading > 0 ? { value: loading } : {})} />}
      </div>
    );
  }
  return (
    <div className="waiting">
      <p className="waiting-title">What is it?</p>
      <p className="soft">
        Give a picture, and its name appears here: one of {guide.classes.length}, or none of these. The picture stays on
        this device.
      </p>
    </div>
  );
}

async function answerFor(classifier: Classifier, file: Blob): Promise<Result> {
  try {
    return { kind: "answer", answer: await classifier.classify(file) };
  } catch (error) {
    const title = error instanceof BadImage && error.reason !== "" ? "This picture cannot be used" : "Something went wrong";
    return { kind: "trouble", title, message: error instanceof Error ? error.message : "" };
  }
}
