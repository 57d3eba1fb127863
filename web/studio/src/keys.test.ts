import { describe, expect, it } from "vitest";

import { commandOf, KEYS, showKey } from "./keys.ts";

const press = (key: string, held: Partial<Record<"shiftKey" | "ctrlKey" | "metaKey" | "altKey", boolean>> = {}) =>
  commandOf({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held });

describe("keys", () => {
  it.each(KEYS.flatMap((key) => key.keys.filter((name) => !name.includes("+")).map((name) => [name, key.command] as const)))(
    "%s means %s",
    (name, command) => expect(press(name)?.command).toBe(command),
  );

  it("mean the same with caps lock", () => {
    expect(press("K")?.command).toBe("keep");
  });

  it("undo and redo as everywhere", () => {
    expect(press("z", { ctrlKey: true })?.command).toBe("undo");
    expect(press("z", { metaKey: true })?.command).toBe("undo");
    expect(press("Z", { ctrlKey: true, shiftKey: true })?.command).toBe("redo");
    expect(press("U", { shiftKey: true })?.command).toBe("redo");
  });

  it("extend the selection with Shift where they move", () => {
    expect(press("ArrowDown", { shiftKey: true })).toEqual({ command: "down", extend: true });
    expect(press("D", { shiftKey: true })).toBeNull();
  });

  it("leave the browser its own", () => {
    expect(press("r", { ctrlKey: true })).toBeNull();
    expect(press("d", { altKey: true })).toBeNull();
    expect(press("p", { metaKey: true })).toBeNull();
  });

  it("no key means two things", () => {
    const names = KEYS.flatMap((key) => key.keys);
    expect(new Set(names).size).toBe(names.length);
  });

  it("are shown as their caps", () => {
    expect(["k", " ", "ctrl+shift+z", "ArrowRight"].map(showKey)).toEqual(["K", "Space", "Ctrl Shift Z", "→"]);
  });
});
