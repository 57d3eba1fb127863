import { useEffect, useRef, useState, useSyncExternalStore } from "react";

import { AnswerCard } from "./AnswerCard.tsx";
import type { Classifier } from "./classifier.ts";
import type { Answer, Guide } from "./guide.ts";
import { BadImage } from "./header.ts";
import { Picker } from "./Picker.tsx";
import { Trouble } from "./Trouble.tsx";
import { useWords } from "./words/index.ts";

type Result =
  | { readonly kind: "none" }
  | { readonly kind: "asking" }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "trouble"; readonly error: unknown };

/** The view that one comes to: a picture is chosen on one side, its name stands on the other. */
export function Ask({ guide, classifier, onAsk }: { guide: Guide; classifier: Classifier; onAsk: () => void }) {
  const words = useWords();
  const model = useSyncExternalStore(classifier.subscribe, classifier.state);
  const [picture, setPicture] = useState<string | null>(null);
  const [result, setResult] = useState<Result>({ kind: "none" });
  const asked = useRef(0);

  const ask = async (file: Blob) => {
    const number = ++asked.current;
    onAsk();
    setPicture(URL.createObjectURL(file));
    setResult({ kind: "asking" });
    const next = await answerFor(classifier, file);
    if (number === asked.current) setResult(next);
  };
  useEffect(() => () => {
    if (picture !== null) URL.revokeObjectURL(picture);
  }, [picture]);

  return (
    <div className="ask">
      <Picker picture={picture} formats={guide.limits.formats} onFile={(file) => void ask(file)} />
      <section className="result" aria-live="polite" aria-label={words.answer}>
        {model.kind === "unusable" ? (
          <Trouble title={words.noModel} message={words.newerBrowser(model.message)} />
        ) : (
          <Shown result={result} guide={guide} loading={model.kind === "loading" ? model.share : null} />
        )}
      </section>
    </div>
  );
}

function Shown({ result, guide, loading }: { result: Result; guide: Guide; loading: number | null }) {
  const words = useWords();
  if (result.kind === "answer") return <AnswerCard guide={guide} answer={result.answer} />;
  if (result.kind === "trouble") return <Refusal error={result.error} />;
  if (result.kind === "asking") {
    return (
      <div className="waiting">
        <p>{loading === null ? words.looking : words.loadingModel}</p>
        {loading !== null && <progress aria-label={words.modelLoaded} max={1} {...(loading > 0 ? { value: loading } : {})} />}
      </div>
    );
  }
  return (
    <div className="waiting">
      <p className="waiting-title">{words.whatIsIt}</p>
      <p className="soft">{words.giveAPicture(guide.classes.length)}</p>
    </div>
  );
}

function Refusal({ error }: { error: unknown }) {
  const words = useWords();
  const reason = error instanceof BadImage ? error.reason : "";
  const message = words.refusals[reason] ?? (error instanceof Error ? error.message : "");
  return <Trouble title={reason === "" ? words.wentWrong : words.unusable} message={message} />;
}

async function answerFor(classifier: Classifier, file: Blob): Promise<Result> {
  try {
    return { kind: "answer", answer: await classifier.classify(file) };
  } catch (error) {
    return { kind: "trouble", error };
  }
}
