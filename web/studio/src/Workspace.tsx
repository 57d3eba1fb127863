import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useEffectEvent, useRef, useState } from "react";

import { Actions } from "./Actions.tsx";
import type { Decision, Picture, State } from "./api.ts";
import { Grid, type GridHandle } from "./Grid.tsx";
import { type Command, commandOf } from "./keys.ts";
import { LikeBar } from "./LikeBar.tsx";
import { type List, pictureOptions } from "./list.ts";
import { marked, MOST_AT_ONCE, type Outbox, type Snapshot } from "./outbox.ts";
import { Palette } from "./Palette.tsx";
import { clear, moveTo, NOTHING, pick, type Selection, selectAll, targets, toggle } from "./selection.ts";
import { countFilters, type View } from "./view.ts";
import { isWebAddress, Viewer } from "./Viewer.tsx";
import { count, formatCount } from "./words.ts";

interface Props {
  list: List;
  view: View;
  state: State | undefined;
  outbox: Outbox;
  snapshot: Snapshot;
  tab: string;
  onView: (change: Partial<View>, replace?: boolean) => void;
  onHelp: () => void;
  onSay: (text: string) => void;
}

/** The grid, the picture that is large, and what keys and buttons do with them. */
export function Workspace({ list, view, state, outbox, snapshot, tab, onView, onHelp, onSay }: Props) {
  const grid = useRef<GridHandle>(null);
  const client = useQueryClient();
  const [selection, setSelection] = useState<Selection>(NOTHING);
  const [relabelling, setRelabelling] = useState<Picture[]>([]);
  const { marks } = snapshot;
  const total = list.total ?? 0;
  const isLarge = view.picture !== null;
  const details = useQuery(pictureOptions(view.picture, marks.get(view.picture ?? "")?.revision ?? 0));
  const large = details.data && marked(details.data, marks);
  const isInList = list.at(selection.active)?.sha256 === view.picture;

  const go = (number: number, extend = false) => {
    const next = moveTo(selection, number, total, extend && !isLarge);
    setSelection(next);
    const picture = list.at(next.active);
    if (isLarge && picture) onView({ picture: picture.sha256 }, true);
  };

  /** Return the pictures that a command is about; none where they are too many, which it says. */
  const meant = async (): Promise<Picture[]> => {
    if (isLarge) return large ? [large] : [];
    if (selection.selected.size > MOST_AT_ONCE) {
      onSay(`At most ${formatCount(MOST_AT_ONCE)} pictures can be decided at once.`);
      return [];
    }
    return (await list.take(targets(selection))).map((picture) => marked(picture, marks));
  };

  const decide = (pictures: Picture[], decision: Decision, className = "") => {
    if (pictures.length === 0) return;
    const inAudit = view.order === "audit" && view.like === null && (!isLarge || isInList);
    outbox.decide(pictures, decision, className, inAudit ? "audit" : isLarge ? "picture" : view.order);
    if (isLarge && !isInList) return;
    const last = isLarge ? selection.active : Math.max(...targets(selection));
    if (!isLarge) setSelection(pick(Math.min(total - 1, last + 1)));
    else go(last + 1);
  };

  const relabel = async () => {
    const pictures = await meant();
    if (pictures.length > 0) setRelabelling(pictures);
  };

  const keep = async () => {
    const pictures = await meant();
    const [only] = pictures;
    // one that has several labels or none can only be kept under one of them
    if (pictures.length === 1 && only?.class_name === "") setRelabelling(pictures);
    else decide(pictures, "keep");
  };

  const openSource = async () => {
    const [picture] = await meant();
    if (!picture) return;
    const { origins } = await client.query(pictureOptions(picture.sha256, picture.revision));
    const page = origins.map((origin) => origin.page).find(isWebAddress);
    if (page) window.open(page, "_blank", "noopener,noreferrer");
    else onSay("It has no source page.");
  };

  const showLike = () => {
    const sha256 = isLarge ? view.picture : list.at(selection.active)?.sha256;
    if (sha256) onView({ like: sha256, picture: null });
  };

  const open = () => {
    const picture = list.at(selection.active);
    if (isLarge) onView({ picture: null });
    else if (picture) onView({ picture: picture.sha256 });
  };

  const commands: Record<Command, (extend: boolean) => unknown> = {
    keep,
    drop: async () => decide(await meant(), "drop"),
    relabel,
    undo: () => outbox.undo(),
    redo: () => outbox.redo(),
    next: (extend) => go(selection.active + 1, extend),
    previous: (extend) => go(selection.active - 1, extend),
    up: (extend) => go(selection.active - (grid.current?.columns() ?? 1), extend),
    down: (extend) => go(selection.active + (grid.current?.columns() ?? 1), extend),
    pageUp: (extend) => go(selection.active - screen(grid.current), extend),
    pageDown: (extend) => go(selection.active + screen(grid.current), extend),
    first: (extend) => go(0, extend),
    last: (extend) => go(total - 1, extend),
    open,
    toggle: () => setSelection(toggle(selection, selection.active)),
    all: () => {
      setSelection(selectAll(selection, Array.from({ length: Math.min(total, MOST_AT_ONCE) }, (_, number) => number)));
      if (total > MOST_AT_ONCE) onSay(`Selected the first ${formatCount(MOST_AT_ONCE)}: no more can be decided at once.`);
    },
    clear: () => setSelection(clear(selection)),
    like: showLike,
    source: openSource,
    filter: () => document.querySelector<HTMLElement>("#filters select")?.focus(),
    help: onHelp,
  };

  const run = (command: Command, extend = false) => {
    Promise.resolve(commands[command](extend)).catch((error: unknown) => {
      onSay(error instanceof Error ? error.message : String(error));
    });
  };

  const press = (event: KeyboardEvent | globalThis.KeyboardEvent) => {
    const pressed = commandOf(event);
    if (pressed === null || relabelling.length > 0 || !isForPage(event)) return;
    // what the window itself does with these keys: it scrolls, and it closes
    if (isLarge && ["up", "down", "pageUp", "pageDown", "first", "last", "toggle", "all", "clear", "filter"].includes(pressed.command)) return;
    event.preventDefault();
    run(pressed.command, pressed.extend);
  };
  const pressAnywhere = useEffectEvent((event: globalThis.KeyboardEvent) => {
    if (event.target === document.body) press(event);
  });
  useEffect(() => {
    document.addEventListener("keydown", pressAnywhere);
    return () => document.removeEventListener("keydown", pressAnywhere);
  }, []);

  // begin at the pictures; where the address names one that is in sight, at that
  useEffect(() => grid.current?.focus(), []);
  const opened = view.picture === null ? undefined : list.find(view.picture);
  const [openedBefore, setOpenedBefore] = useState<number>();
  if (opened !== openedBefore) {
    setOpenedBefore(opened);
    if (opened !== undefined) setSelection(moveTo(selection, opened, total, false));
  }
  const goToRestored = useEffectEvent((sha256s: string[]) => {
    const number = sha256s[0] === undefined ? undefined : list.find(sha256s[0]);
    if (number !== undefined) go(number);
  });
  useEffect(() => outbox.onRestored(goToRestored), [outbox]);

  const chosen = selection.selected.size;
  const place = total > 0 ? `${formatCount(selection.active + 1)} of ${formatCount(total)}` : "";
  return (
    <main className="workspace" onKeyDown={press}>
      {view.like !== null && (
        <LikeBar
          list={list}
          onSelect={(numbers) => setSelection(selectAll({ ...selection, active: 0 }, numbers))}
          onClose={() => onView({ like: null })}
        />
      )}
      <Grid
        ref={grid}
        list={list}
        pictureAt={(number) => {
          const picture = list.at(number);
          return picture && marked(picture, marks);
        }}
        selection={selection}
        label={total > 0 ? count(total, "picture") : "Pictures"}
        empty={<p className="empty">{emptyWords(view)}</p>}
        onPick={(number, event) => {
          if (event.shiftKey) setSelection(moveTo(selection, number, total, true));
          else setSelection(event.ctrlKey || event.metaKey ? toggle(selection, number) : pick(number));
        }}
        onOpen={(number) => {
          const picture = list.at(number);
          if (picture) onView({ picture: picture.sha256 });
        }}
        onDraw={(numbers, add) => setSelection(selectAll(selection, numbers, add))}
      />
      <Actions words={chosen > 0 ? `${formatCount(chosen)} selected` : place} onCommand={run} disabled={total === 0} />
      <Viewer
        open={isLarge}
        picture={large}
        error={details.error}
        marks={marks}
        place={isInList ? place : ""}
        tab={tab}
        onCommand={run}
        onShow={(sha256) => onView({ picture: sha256 }, true)}
        onClose={() => onView({ picture: null })}
      />
      <Palette
        pictures={relabelling}
        classes={state?.classes ?? []}
        onChoose={(className) => {
          setRelabelling([]);
          decide(relabelling, "relabel", className);
        }}
        onClose={() => setRelabelling([])}
      />
    </main>
  );
}

/** Say why a list is empty. */
function emptyWords(view: View): string {
  if (view.decision === "") return "Nothing is left to decide on here.";
  return countFilters(view) > 0 ? "No picture is like that. Choose other filters." : "There are no pictures here. `fieldguide add` brings some in.";
}

const screen = (grid: GridHandle | null) => (grid ? grid.columns() * grid.rowsInSight() : 1);

/** Tell whether a key is meant for the page and not for the control that has the focus. */
function isForPage(event: KeyboardEvent | globalThis.KeyboardEvent): boolean {
  const { target, key } = event;
  if (!(target instanceof Element)) return true;
  if (target.closest("input, select, textarea")) return false;
  return !(target.closest("button, a") && ["Enter", " "].includes(key));
}
