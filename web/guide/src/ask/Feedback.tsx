import { Button } from "@fieldguide/ui";
import { CircleCheck, MessageSquareWarning } from "lucide-react";
import { useId, useState } from "react";

import type { Guide } from "../guide.ts";
import type { Server } from "../server.ts";
import { Trouble } from "../Trouble.tsx";
import { useNames } from "../useNames.ts";
import { useWords } from "../words/index.ts";
import type { Picture } from "./pictures.ts";
import { plainCopy } from "./plainCopy.ts";

type State = "closed" | "open" | "sending" | "sent" | { readonly error: string };

interface Props {
  guide: Guide;
  picture: Picture;
  server: Server;
}

/** Says what a picture really shows, and sends it to whoever runs the guide: only on this button, and it says so. */
export function Feedback({ guide, picture, server }: Props) {
  const words = useWords();
  const nameOf = useNames();
  const id = useId();
  const [state, setState] = useState<State>("closed");
  const [name, setName] = useState<string | null>(null);
  const send = async () => {
    if (name === null) return;
    setState("sending");
    try {
      await server.correct(await plainCopy(picture.file), name);
      setState("sent");
    } catch (error) {
      setState({ error: error instanceof Error ? error.message : "" });
    }
  };
  if (state === "sent") {
    return <p className="feedback sent" role="status"><CircleCheck size={18} aria-hidden="true" /> {words.thanks}</p>;
  }
  if (state === "closed") {
    return (
      <div className="feedback">
        <Button tone="quiet" icon={<MessageSquareWarning size={17} aria-hidden="true" />} onClick={() => setState("open")}>
          {words.wrong}
        </Button>
      </div>
    );
  }
  return (
    <form className="feedback open" onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <label htmlFor={id}>{words.whatIsItReally}</label>
      <select id={id} required autoFocus value={name ?? "?"} onChange={(event) => setName(event.target.value)}>
        <option value="?" disabled>{words.chooseName}</option>
        <option value="">{words.noneOfThese}</option>
        {guide.classes.map((it) => <option key={it.name} value={it.name}>{nameOf(it)}</option>)}
      </select>
      <p className="soft">{words.feedbackNote}</p>
      {typeof state === "object" && <Trouble title={words.notSent} message={state.error} />}
      <div className="feedback-bar">
        <Button tone="accent" type="submit" disabled={name === null || state === "sending"}>{words.send}</Button>
        <Button tone="quiet" onClick={() => setState("closed")}>{words.cancel}</Button>
      </div>
    </form>
  );
}
