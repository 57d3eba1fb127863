import { Button } from "@fieldguide/ui";
import { KeyRound } from "lucide-react";
import { useState } from "react";

import { openSession } from "./request.ts";
import { useWords } from "./words/index.ts";

/** Asks for the key of a server that wants one. */
export function KeyForm({ onOpen }: { onOpen: () => void }) {
  const words = useWords();
  const [trouble, setTrouble] = useState("");
  const open = async (form: HTMLFormElement) => {
    const key = new FormData(form).get("key");
    try {
      if (await openSession(typeof key === "string" ? key.trim() : "")) onOpen();
      else setTrouble(words.wrongKey);
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : words.wentWrong);
    }
  };
  return (
    <main className="page key-page">
      <form className="key-form" onSubmit={(event) => { event.preventDefault(); void open(event.currentTarget); }}>
        <KeyRound size={36} strokeWidth={1.5} aria-hidden="true" />
        <h1>{words.keyNeeded}</h1>
        <p className="soft">{words.keyNote}</p>
        <label htmlFor="key">{words.key}</label>
        <input id="key" name="key" type="password" autoComplete="current-password" required autoFocus aria-describedby="key-trouble" />
        <p id="key-trouble" className="bad" role="alert">{trouble}</p>
        <Button tone="accent" type="submit">{words.open}</Button>
      </form>
    </main>
  );
}
