import { Button } from "@fieldguide/ui";
import { RefreshCw, X } from "lucide-react";

import type { Snapshot } from "./outbox.ts";
import { asSentence } from "./words.ts";

interface Props {
  snapshot: Snapshot;
  said: string;
  problem: Error | null;
  /** why the list should be loaded again; "" where it need not be */
  changed: string;
  onReload: () => void;
  onRetry: () => void;
  onShow: (sha256: string) => void;
  onAgain: () => void;
  onDismiss: () => void;
}

/** What the person has to know now: one thing, the gravest first. */
export function NoticeBar({ snapshot, said, problem, changed, onReload, onRetry, onShow, onAgain, onDismiss }: Props) {
  const { notice, trouble } = snapshot;
  const [first] = notice?.sha256s ?? [];
  let tone = "info";
  let words = said;
  let buttons = <Dismiss onDismiss={onDismiss} />;
  if (trouble) {
    tone = "bad";
    words = `Not saved yet. ${asSentence(trouble)} It is tried again until it is saved.`;
    buttons = <></>;
  } else if (notice?.kind === "stale" || notice?.kind === "refused") {
    tone = "warn";
    words = notice.text;
    buttons = (
      <>
        {first !== undefined && <Button onClick={() => onShow(first)}>Show</Button>}
        {notice.again && <Button onClick={onAgain}>Decide all the same</Button>}
        <Dismiss onDismiss={onDismiss} />
      </>
    );
  } else if (problem) {
    tone = "bad";
    words = asSentence(problem.message);
    buttons = <Button onClick={onRetry}>Try again</Button>;
  } else if (changed) {
    words = changed;
    buttons = (
      <Button icon={<RefreshCw size={15} aria-hidden="true" />} onClick={onReload}>
        Load again
      </Button>
    );
  } else if (!said && notice) {
    words = notice.text;
  }
  return (
    <div role="status" className={words ? `notice ${tone}` : "notice none"}>
      {words && (
        <>
          <span>{words}</span>
          <span className="notice-buttons">{buttons}</span>
        </>
      )}
    </div>
  );
}

function Dismiss({ onDismiss }: { onDismiss: () => void }) {
  return <Button tone="quiet" aria-label="Dismiss" icon={<X size={16} aria-hidden="true" />} onClick={onDismiss} />;
}
