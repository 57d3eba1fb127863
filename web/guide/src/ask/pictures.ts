/** The pictures that were given, each with what is known of it so far. */

import { useEffect, useReducer, useRef } from "react";

import type { Answer } from "../guide.ts";

export type Result =
  | { readonly kind: "asking" }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "trouble"; readonly error: unknown };

export interface Picture {
  readonly id: number;
  readonly file: Blob;
  /** its address in this page */
  readonly url: string;
  readonly result: Result;
}

export interface Asker {
  classify: (file: Blob) => Promise<Answer>;
}

interface State {
  readonly pictures: readonly Picture[];
  readonly chosen: number | null;
}

type Action =
  | { readonly kind: "add"; readonly pictures: readonly Picture[] }
  | { readonly kind: "result"; readonly id: number; readonly result: Result }
  | { readonly kind: "choose"; readonly id: number }
  | { readonly kind: "remove"; readonly id: number }
  | { readonly kind: "clear" };

const EMPTY: State = { pictures: [], chosen: null };

/** Return what an action makes of the pictures; the newest is chosen, and after one that is removed the next. */
export function reduce({ pictures, chosen }: State, action: Action): State {
  if (action.kind === "add") return { pictures: [...pictures, ...action.pictures], chosen: action.pictures[0]?.id ?? chosen };
  if (action.kind === "choose") return { pictures, chosen: action.id };
  if (action.kind === "clear") return EMPTY;
  if (action.kind === "result") {
    const { id, result } = action;
    return { pictures: pictures.map((picture) => (picture.id === id ? { ...picture, result } : picture)), chosen };
  }
  const place = pictures.findIndex(({ id }) => id === action.id);
  const left = pictures.filter(({ id }) => id !== action.id);
  return { pictures: left, chosen: chosen === action.id ? (left[Math.min(place, left.length - 1)]?.id ?? null) : chosen };
}

/** Keep the pictures of the page; each is asked about when it is added, in order. */
export function usePictures(asker: Asker | null) {
  const [{ pictures, chosen }, dispatch] = useReducer(reduce, EMPTY);
  const count = useRef(0);
  const given = useRef<readonly Picture[]>([]);
  useEffect(() => {
    const gone = given.current.filter(({ id }) => pictures.every((picture) => picture.id !== id));
    for (const { url } of gone) URL.revokeObjectURL(url);
    given.current = pictures;
  }, [pictures]);

  const ask = async ({ id, file }: Picture, by = asker) => {
    if (!by) return;
    dispatch({ kind: "result", id, result: { kind: "asking" } });
    dispatch({ kind: "result", id, result: await answerOf(by, file) });
  };
  const add = (files: readonly Blob[]) => {
    const added = files.map((file): Picture => (
      { id: ++count.current, file, url: URL.createObjectURL(file), result: { kind: "asking" } }
    ));
    dispatch({ kind: "add", pictures: added });
    for (const picture of added) void ask(picture);
  };
  return {
    pictures,
    chosen: pictures.find(({ id }) => id === chosen) ?? null,
    add,
    ask,
    choose: (id: number) => dispatch({ kind: "choose", id }),
    remove: (id: number) => dispatch({ kind: "remove", id }),
    clear: () => dispatch({ kind: "clear" }),
  };
}

async function answerOf(asker: Asker, file: Blob): Promise<Result> {
  try {
    return { kind: "answer", answer: await asker.classify(file) };
  } catch (error) {
    return { kind: "trouble", error };
  }
}
