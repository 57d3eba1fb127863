/** The page's side of the worker: load the model once, ask it about files. */

import type { Answer, Guide } from "./guide.ts";
import { BadImage } from "./header.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

export type ModelState =
  | { readonly kind: "idle" }
  | { readonly kind: "loading"; readonly share: number }
  | { readonly kind: "ready" }
  | { readonly kind: "unusable"; readonly message: string };

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

/** Answers for files with the guide's model, loaded when it is first needed; for `useSyncExternalStore` too. */
export class Classifier {
  private readonly guide: Guide;
  private readonly modelUrl: string;
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private readonly listeners = new Set<() => void>();
  private current: ModelState = { kind: "idle" };
  private count = 0;

  constructor(guide: Guide, modelUrl: string) {
    this.guide = guide;
    this.modelUrl = modelUrl;
  }

  /** Load the model and what runs it, unless that has begun; after a failure, once more. */
  load(): void {
    if (this.worker && this.current.kind !== "unusable") return;
    this.worker?.terminate();
    this.worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.take(data);
    this.worker.onerror = (event) => this.take({ kind: "unusable", message: event.message || "the model does not start here" });
    this.show({ kind: "loading", share: 0 });
    const { views, limits, threshold } = this.guide;
    this.send({ kind: "load", setup: { modelUrl: this.modelUrl, views, limits, threshold } });
  }

  /**
   * Classify a file; rejects with a BadImage where it is not a picture that is taken.
   *
   * @param options withSquares: return what the model saw too, for a proof.
   */
  classify(file: Blob, { withSquares = false } = {}): Promise<Answer> {
    this.load();
    const id = this.count++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send({ kind: "classify", id, file, withSquares });
    });
  }

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly state = () => this.current;

  private send(message: ToWorker): void {
    this.worker?.postMessage(message);
  }

  private take(message: FromWorker): void {
    if (message.kind === "answer") {
      this.waiting.get(message.id)?.resolve(message.answer);
      this.waiting.delete(message.id);
    } else if (message.kind === "refused") {
      this.waiting.get(message.id)?.reject(new BadImage(message.reason, message.message));
      this.waiting.delete(message.id);
    } else {
      this.show(stateOf(message));
    }
  }

  private show(state: ModelState): void {
    this.current = state;
    if (state.kind === "unusable") {
      for (const { reject } of this.waiting.values()) reject(new Error(state.message));
      this.waiting.clear();
    }
    for (const listener of this.listeners) listener();
  }
}

function stateOf(message: Exclude<FromWorker, { kind: "answer" | "refused" }>): ModelState {
  if (message.kind === "progress") return { kind: "loading", share: message.share };
  return message.kind === "loaded" ? { kind: "ready" } : message;
}
