/** The keys of the page: one table that the keyboard and the help both read. */

export type Command =
  | "keep" | "drop" | "relabel" | "next" | "previous" | "up" | "down" | "first" | "last" | "pageUp" | "pageDown"
  | "open" | "toggle" | "all" | "clear" | "undo" | "redo" | "like" | "source" | "filter" | "help";

interface Key {
  command: Command;
  /** as KeyboardEvent.key has them, letters in lower case; "ctrl+" is the Command key on a Mac */
  keys: string[];
  help: string;
  group: "Decide" | "Move" | "Select" | "More";
  /** Shift extends the selection instead of being another key */
  extends?: boolean;
}

export const KEYS: readonly Key[] = [
  { command: "keep", keys: ["k"], help: "Keep", group: "Decide" },
  { command: "drop", keys: ["d", "Delete"], help: "Drop", group: "Decide" },
  { command: "relabel", keys: ["r"], help: "Give another class: type its name", group: "Decide" },
  { command: "undo", keys: ["u", "ctrl+z"], help: "Undo", group: "Decide" },
  { command: "redo", keys: ["shift+u", "ctrl+shift+z", "ctrl+y"], help: "Redo", group: "Decide" },
  { command: "next", keys: ["ArrowRight", "n"], help: "Next picture", group: "Move", extends: true },
  { command: "previous", keys: ["ArrowLeft", "p"], help: "Previous picture", group: "Move", extends: true },
  { command: "up", keys: ["ArrowUp"], help: "Row above", group: "Move", extends: true },
  { command: "down", keys: ["ArrowDown"], help: "Row below", group: "Move", extends: true },
  { command: "pageUp", keys: ["PageUp"], help: "Screen above", group: "Move", extends: true },
  { command: "pageDown", keys: ["PageDown"], help: "Screen below", group: "Move", extends: true },
  { command: "first", keys: ["Home"], help: "First picture", group: "Move", extends: true },
  { command: "last", keys: ["End"], help: "Last picture", group: "Move", extends: true },
  { command: "toggle", keys: [" ", "x"], help: "Select, or not", group: "Select" },
  { command: "all", keys: ["ctrl+a"], help: "Select all", group: "Select" },
  { command: "clear", keys: ["Escape"], help: "Select none; close", group: "Select" },
  { command: "open", keys: ["Enter", "o"], help: "Open large; back to the grid", group: "More" },
  { command: "like", keys: ["m"], help: "More like this", group: "More" },
  { command: "source", keys: ["s"], help: "Open the source page", group: "More" },
  { command: "filter", keys: ["/"], help: "Go to the filters", group: "More" },
  { command: "help", keys: ["?"], help: "This list", group: "More" },
];

const byKey = new Map(KEYS.flatMap((key) => key.keys.map((name) => [name, key] as const)));

type Pressed = Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "metaKey" | "altKey">;

/** Return the command of a key that was pressed, and whether it extends the selection. */
export function commandOf(event: Pressed): { command: Command; extend: boolean } | null {
  if (event.altKey) return null;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const control = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  const shifted = event.shiftKey && event.key !== "?" ? "shift+" : "";
  const exact = byKey.get(`${control}${shifted}${name}`);
  if (exact) return { command: exact.command, extend: false };
  const plain = event.shiftKey ? byKey.get(`${control}${name}`) : undefined;
  return plain?.extends ? { command: plain.command, extend: true } : null;
}

const SHOWN: Record<string, string> = {
  " ": "Space", ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", PageUp: "Page Up", PageDown: "Page Down",
};

/** Write a key as its cap shows it. */
export function showKey(name: string): string {
  return name
    .split("+")
    .map((part) => SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part.charAt(0).toUpperCase() + part.slice(1)))
    .join(" ");
}
