import { Button } from "@fieldguide/ui";
import { Check, Maximize2, Sparkles, Tag, X } from "lucide-react";

import type { Command } from "./keys.ts";

interface Props {
  words: string;
  onCommand: (command: Command) => void;
  large?: boolean;
  disabled?: boolean;
}

/** What can be done with the pictures that are meant, said in words beside it. */
export function Actions({ words, onCommand, large = false, disabled = false }: Props) {
  return (
    <div className="actions" role="toolbar" aria-label="Decide">
      <span className="actions-words number" aria-live="polite">
        {words}
      </span>
      <span className="actions-buttons">
        <Button tone="good" hotkey="K" disabled={disabled} icon={<Check size={17} aria-hidden="true" />} onClick={() => onCommand("keep")}>
          Keep
        </Button>
        <Button tone="bad" hotkey="D" disabled={disabled} icon={<X size={17} aria-hidden="true" />} onClick={() => onCommand("drop")}>
          Drop
        </Button>
        <Button hotkey="R" disabled={disabled} icon={<Tag size={16} aria-hidden="true" />} onClick={() => onCommand("relabel")}>
          Relabel
        </Button>
        {!large && (
          <Button className="wide-only" hotkey="M" disabled={disabled} icon={<Sparkles size={16} aria-hidden="true" />} onClick={() => onCommand("like")}>
            More like this
          </Button>
        )}
        {!large && (
          <Button hotkey="O" disabled={disabled} icon={<Maximize2 size={16} aria-hidden="true" />} onClick={() => onCommand("open")}>
            Open
          </Button>
        )}
      </span>
    </div>
  );
}
