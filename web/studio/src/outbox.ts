/**
 * What was decided here and is not yet acknowledged, sent in order, one action at a time.
 *
 * A picture shows its new mark at once; it counts as saved only when the server has answered. An action that cannot be
 * sent stays first in line and is tried again until it gets through. Knows nothing about React.
 */

import {
  type Decision,
  type Outcome,
  type Picture,
  postDecisions,
  postRedo,
  postUndo,
  Problem,
  type Saved,
  type Wanted,
} from "./api.ts";

/** What replaces the fields of a picture that a list brought. */
export type Mark = Omit<Saved, "sha256"> & { saving: boolean };

export interface Notice {
  kind: "stale" | "refused" | "undone" | "redone";
  text: string;
  /** the pictures it is about, as they are now */
  sha256s: string[];
  /** what to send to decide all the same */
  again?: { decision: Decision; className: string; view: string };
}

export interface Snapshot {
  marks: ReadonlyMap<string, Mark>;
  /** actions that wait for the server's word */
  waiting: number;
  /** why the first of them did not get through yet */
  trouble: string;
  canUndo: boolean;
  canRedo: boolean;
  notice: Notice | null;
  /** the last decision, by whomever, that this page knows of */
  decidedAt: number;
}

interface Decide {
  kind: "decide";
  decision: Decision;
  className: string;
  view: string;
  /** the pictures, as the person saw them */
  seen: Map<string, Pick<Picture, "revision" | "class_name">>;
}

type Action = Decide | { kind: "undo" | "redo" };

export interface Server {
  decide: (view: string, decisions: Wanted[]) => Promise<Outcome>;
  undo: () => Promise<Outcome>;
  redo: () => Promise<Outcome>;
}

export const MOST_AT_ONCE = 10_000;
const RETRY_MS = [500, 1000, 2000, 5000];

export function serverFor(by: string): Server {
  return {
    decide: (view, decisions) => postDecisions(by, view, decisions),
    undo: () => postUndo(by),
    redo: () => postRedo(by),
  };
}

export class Outbox {
  readonly #server: Server;
  readonly #wait: (milliseconds: number) => Promise<void>;
  readonly #listeners = new Set<() => void>();
  readonly #restoredListeners = new Set<(sha256s: string[]) => void>();
  /** what is acknowledged, by picture */
  readonly #saved = new Map<string, Saved>();
  #queue: Action[] = [];
  #sending = false;
  #snapshot: Snapshot = {
    marks: new Map(),
    waiting: 0,
    trouble: "",
    canUndo: false,
    canRedo: false,
    notice: null,
    decidedAt: 0,
  };

  constructor(server: Server, wait = (milliseconds: number) => new Promise<void>((go) => setTimeout(go, milliseconds))) {
    this.#server = server;
    this.#wait = wait;
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Call a listener with the pictures that each undo or redo has changed, until the function returned is called. */
  onRestored(listener: (sha256s: string[]) => void): () => void {
    this.#restoredListeners.add(listener);
    return () => void this.#restoredListeners.delete(listener);
  }

  readonly snapshot = () => this.#snapshot;

  /** Take what the server says of undo and redo, unless something is on its way that will change it. */
  allow(canUndo: boolean, canRedo: boolean): void {
    if (this.#queue.length === 0) this.#publish({ canUndo, canRedo });
  }

  /** Remember up to which decision, by whomever, the lists that are shown are true. */
  sawUpTo(decidedAt: number): void {
    this.#publish({ decidedAt: Math.max(decidedAt, this.#snapshot.decidedAt) });
  }

  decide(pictures: Picture[], decision: Decision, className: string, view: string): void {
    if (pictures.length === 0) return;
    const seen = new Map(pictures.map((picture) => [picture.sha256, picture]));
    this.#push({ kind: "decide", decision, className, view, seen });
    this.#publish({ canUndo: true, canRedo: false, notice: null });
  }

  undo(): void {
    if (this.#snapshot.canUndo) this.#push({ kind: "undo" });
  }

  redo(): void {
    if (this.#snapshot.canRedo) this.#push({ kind: "redo" });
  }

  /** Decide all the same on what was decided elsewhere meanwhile. */
  again(): void {
    const { notice } = this.#snapshot;
    if (!notice?.again) return;
    const seen = new Map(notice.sha256s.flatMap((sha256) => {
      const saved = this.#saved.get(sha256);
      return saved ? [[sha256, saved]] : [];
    }));
    this.#push({ kind: "decide", ...notice.again, seen });
    this.#publish({ canUndo: true, canRedo: false, notice: null });
  }

  dismiss(): void {
    this.#publish({ notice: null });
  }

  #push(action: Action): void {
    this.#queue.push(action);
    this.#publish({});
    if (!this.#sending) void this.#send();
  }

  async #send(): Promise<void> {
    this.#sending = true;
    for (let failures = 0; this.#queue[0] !== undefined; ) {
      const action = this.#queue[0];
      try {
        const outcome = await this.#call(action);
        this.#queue.shift();
        failures = 0;
        this.#settle(action, outcome);
      } catch (error) {
        const problem = error instanceof Problem ? error : new Problem(0, "fault", String(error));
        if (isFinal(problem)) {
          this.#queue.shift();
          this.#publish({ trouble: "", notice: { kind: "refused", text: problem.message, sha256s: names(action) } });
          continue;
        }
        this.#publish({ trouble: problem.message });
        await this.#wait(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] ?? 0);
      }
    }
    this.#sending = false;
  }

  #call(action: Action): Promise<Outcome> {
    if (action.kind !== "decide") return this.#server[action.kind]();
    const decisions = Array.from(action.seen, ([sha256, seen]) => ({
      sha256,
      decision: action.decision,
      ...(action.decision === "relabel" && { class_name: action.className }),
      // decided here twice in a row: the second one builds on the first, whose revision is known only now
      revision: Math.max(seen.revision, this.#saved.get(sha256)?.revision ?? 0),
    }));
    return this.#server.decide(action.view, decisions);
  }

  #settle(action: Action, outcome: Outcome): void {
    for (const saved of outcome.saved) this.#saved.set(saved.sha256, saved);
    for (const picture of outcome.stale) this.#saved.set(picture.sha256, picture);
    // an answer that got lost: sent again, it is stale by our own hand
    const stale = outcome.stale.filter((picture) => !isWanted(action, picture)).map((picture) => picture.sha256);
    this.#forget(stale);
    this.#publish({
      trouble: "",
      decidedAt: Math.max(outcome.decided_at, this.#snapshot.decidedAt),
      notice: noticeOf(action, outcome, stale) ?? this.#snapshot.notice,
      ...(this.#queue.length === 0 && { canUndo: outcome.can_undo, canRedo: outcome.can_redo }),
    });
    if (action.kind === "decide") return;
    const sha256s = outcome.saved.map((saved) => saved.sha256);
    for (const listener of this.#restoredListeners) listener(sha256s);
  }

  /** Take pictures out of later actions: they were decided upon a state that no longer holds. */
  #forget(sha256s: string[]): void {
    if (sha256s.length === 0) return;
    for (const action of this.#queue) {
      if (action.kind === "decide") for (const sha256 of sha256s) action.seen.delete(sha256);
    }
    this.#queue = this.#queue.filter((action) => action.kind !== "decide" || action.seen.size > 0);
  }

  #publish(change: Partial<Snapshot>): void {
    const marks = new Map<string, Mark>();
    for (const [sha256, saved] of this.#saved) marks.set(sha256, { ...saved, saving: false });
    for (const action of this.#queue) {
      if (action.kind !== "decide") continue;
      for (const [sha256, seen] of action.seen) {
        const before = marks.get(sha256);
        marks.set(sha256, {
          decision: action.decision,
          state: action.decision === "drop" ? "rejected" : "kept",
          class_name: action.decision === "relabel" ? action.className : (before ?? seen).class_name,
          revision: (before ?? seen).revision,
          saving: true,
        });
      }
    }
    this.#snapshot = { ...this.#snapshot, ...change, marks, waiting: this.#queue.length };
    for (const listener of this.#listeners) listener();
  }
}

/** Return a picture with what was decided about it here. */
export function marked<P extends Picture>(picture: P, marks: ReadonlyMap<string, Mark>): P & { saving?: boolean } {
  const mark = marks.get(picture.sha256);
  if (mark === undefined || mark.revision < picture.revision) return picture;
  return { ...picture, ...mark };
}

/** Tell whether sending it again would change nothing: the request itself is at fault. */
function isFinal(problem: Problem): boolean {
  return problem.status >= 400 && problem.status < 500 && ![401, 408, 429].includes(problem.status);
}

function names(action: Action): string[] {
  return action.kind === "decide" ? [...action.seen.keys()] : [];
}

function isWanted(action: Action, picture: Picture): boolean {
  if (action.kind !== "decide" || picture.decision !== action.decision) return false;
  return action.decision !== "relabel" || picture.class_name === action.className;
}

function noticeOf(action: Action, outcome: Outcome, stale: string[]): Notice | null {
  if (stale.length > 0) {
    const text = `${countPictures(stale.length)} decided elsewhere meanwhile. What is shown is the decision that holds.`;
    if (action.kind !== "decide") return { kind: "stale", text, sha256s: stale };
    const { decision, className, view } = action;
    return { kind: "stale", text, sha256s: stale, again: { decision, className, view } };
  }
  if (outcome.refused.length > 0) {
    const details = [...new Set(outcome.refused.map((refused) => refused.detail))];
    const more = details.length > 1 ? ` (and ${details.length - 1} other reasons)` : "";
    const text = `${countPictures(outcome.refused.length)} not decided: ${details[0] ?? ""}${more}`;
    return { kind: "refused", text, sha256s: outcome.refused.map((refused) => refused.sha256) };
  }
  if (action.kind === "decide") return null;
  const sha256s = outcome.saved.map((saved) => saved.sha256);
  const done = action.kind === "undo" ? "undone" : "redone";
  const text = sha256s.length === 0 ? `Nothing left to ${action.kind}.` : `${countPictures(sha256s.length)} ${done}.`;
  return { kind: done, text, sha256s };
}

function countPictures(count: number): string {
  return count === 1 ? "1 picture was" : `${count.toLocaleString("en")} pictures were`;
}
