/** What the server of `fieldguide review` says and is told: the records, and a function for each address. */

export type Decision = "keep" | "drop" | "relabel";

export interface Verdict {
  check: string;
  verdict: "reject" | "suspect";
  reason: string;
  detail: string;
  score: number;
  copy_of: string;
}

export interface Picture {
  sha256: string;
  class_name: string;
  labels: string[];
  state: "unchecked" | "kept" | "suspect" | "rejected";
  decision: Decision | "";
  revision: number;
  split: string;
  sources: string[];
  width: number;
  height: number;
  format: string;
  bytes: number;
  readable: boolean;
  group: string;
  verdicts: Verdict[];
}

export interface Origin {
  source: string;
  location: string;
  title: string;
  author: string;
  author_url: string;
  licence: string;
  licence_url: string;
  page: string;
  query: string;
}

export interface HistoryEntry {
  revision: number;
  decision: Decision | "";
  class_name: string;
  at: string;
  by: string;
  undo: boolean;
}

export interface PictureDetails extends Picture {
  added_at: string;
  origins: Origin[];
  history: HistoryEntry[];
  copies: Picture[];
}

export interface Neighbours {
  by: "features" | "thumbnails";
  neighbours: (Picture & { similarity: number })[];
}

export interface Page {
  version: number;
  total: number;
  pictures: Picture[];
  next: string | null;
}

export type Counts = Record<"state" | "class_name" | "split" | "reason" | "source" | "decision", Record<string, number>>;

export interface State {
  project: string;
  rules: string[];
  version: number;
  decided_at: number;
  total: number;
  classes: string[];
  counts: Counts;
  audit: { line: string; sampled: number; looked_at: number; total: number };
  can_undo: boolean;
  can_redo: boolean;
  features: boolean;
}

export interface Wanted {
  sha256: string;
  decision: Decision;
  class_name?: string;
  revision: number;
}

/** A picture as it stands after a decision that is on the disk. */
export type Saved = Pick<Picture, "sha256" | "decision" | "class_name" | "state" | "revision">;

export interface Outcome {
  decided_at: number;
  saved: Saved[];
  stale: Picture[];
  refused: { sha256: string; detail: string }[];
  can_undo: boolean;
  can_redo: boolean;
}

/** An answer that is not what was asked for; `code` as the server's problems name it, or "unreachable". */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

const REQUEST_TIMEOUT_MS = 60_000;

export const thumbnailAddress = (sha256: string) => `api/pictures/${sha256}/thumbnail`;
export const previewAddress = (sha256: string) => `api/pictures/${sha256}/preview`;

export const getState = (by: string, signal?: AbortSignal) =>
  ask<State>(`state?${new URLSearchParams({ by }).toString()}`, { signal });

export const getPage = (query: URLSearchParams, signal?: AbortSignal) =>
  ask<Page>(`pictures?${query.toString()}`, { signal });

export const getPicture = (sha256: string, signal?: AbortSignal) =>
  ask<PictureDetails>(`pictures/${sha256}`, { signal });

export const getNeighbours = (sha256: string, limit: number, signal?: AbortSignal) =>
  ask<Neighbours>(`pictures/${sha256}/neighbours?limit=${limit}`, { signal });

export const postDecisions = (by: string, view: string, decisions: Wanted[]) =>
  change("decisions", { by, view, decisions });

export const postUndo = (by: string) => change("undo", { by });

export const postRedo = (by: string) => change("redo", { by });

/** Send a change; what was decided by others meanwhile, or cannot be, is part of the outcome and no exception. */
async function change(path: string, body: object): Promise<Outcome> {
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return ask<Outcome>(path, init, [409, 422]);
}

async function ask<Answer>(
  path: string,
  init: { signal?: AbortSignal | undefined } & Omit<RequestInit, "signal">,
  partial: number[] = [],
): Promise<Answer> {
  let response: Response;
  const { signal, ...rest } = init;
  const limit = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  try {
    response = await fetch(`api/${path}`, { ...rest, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "unreachable", "The server does not answer. Is `fieldguide review` still running?");
  }
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer as Answer;
  const said = answer as { code?: string; detail?: string; saved?: unknown } | null;
  if (partial.includes(response.status) && said?.saved !== undefined) return answer as Answer;
  throw new Problem(response.status, said?.code ?? "fault", said?.detail ?? `The server answered ${response.status}.`);
}
