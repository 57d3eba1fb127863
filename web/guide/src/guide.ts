/** What guide.json says of a guide, as far as the page shows or needs it; all texts in it are from outside. */

import type { Limits } from "./header.ts";
import type { View } from "./prepare.ts";
import { request } from "./request.ts";

export interface Example {
  readonly file: string;
  readonly author: string;
  readonly licence: string;
  readonly licence_url: string;
  readonly source: string;
}

export interface GuideClass {
  readonly name: string;
  readonly about: string;
  readonly links: readonly (string | { readonly url: string; readonly label: string })[];
  readonly examples: readonly Example[];
}

export interface Guide {
  readonly name: string;
  readonly about: string;
  readonly classes: readonly GuideClass[];
  readonly views: readonly View[];
  readonly threshold: number;
  readonly limits: Limits;
  /** a share in 0..1, and its interval */
  readonly accuracy: readonly [number, number, number];
  /** what the server that the page came from offers; null where it came from a static host */
  readonly served: Served | null;
}

export interface Served {
  /** the address of the model for this browser; null where it is kept back */
  readonly model: string | null;
  readonly modelBytes: number;
  /** whether it takes a picture with what it really shows */
  readonly feedback: boolean;
}

/** Where a picture was answered. */
export type Place = "server" | "browser";

/** What the model says of one picture. */
export interface Answer {
  /** of the classes, in the order of the guide */
  readonly probs: readonly number[];
  /** places of classes, the most probable first */
  readonly order: readonly number[];
  readonly familiarity: number;
  readonly declined: boolean;
  readonly place: Place;
  readonly tookMs: number;
  /** in this browser: how long it took to prepare the picture, and in the model */
  readonly decodeMs?: number;
  readonly modelMs?: number;
  /** where they are asked for: what the model saw, (views, size, size, 3) RGB */
  readonly squares?: Uint8Array;
}

type StoredView = Omit<View, "mirrored"> & { readonly mirrored?: boolean };

interface Stored extends Omit<Guide, "views" | "threshold" | "limits" | "accuracy" | "served"> {
  readonly schema_version: number;
  readonly preprocessing: StoredView;
  readonly views?: readonly StoredView[];
  readonly decline: { readonly threshold: number };
  readonly formats: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly scores: { readonly accuracy: readonly [number, number, number] };
  readonly served?: { readonly model: string | null; readonly model_bytes: number; readonly feedback: boolean };
}

export const SCHEMA_VERSION = 1;
const USUAL = { max_bytes: 50_000_000, max_pixels: 50_000_000 };
const FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]; // those that every browser decodes

/** Read the guide beside the page. */
export async function loadGuide(): Promise<Guide> {
  const response = await request("guide.json");
  if (!response.ok) throw new Error(`guide.json cannot be read: ${response.status}`);
  return readGuide((await response.json()) as Stored);
}

/** Return what the page needs of a guide.json that its export has checked. */
export function readGuide(stored: Stored): Guide {
  if (stored.schema_version > SCHEMA_VERSION) throw new Error("This guide was made for a newer page: export it again.");
  const { name, about, classes, served } = stored;
  return {
    name, about, classes,
    views: (stored.views ?? [stored.preprocessing]).map((view) => ({ ...view, mirrored: view.mirrored ?? false })),
    threshold: stored.decline.threshold,
    limits: { ...USUAL, ...stored.limits, formats: stored.formats.filter((format) => FORMATS.includes(format)) },
    accuracy: stored.scores.accuracy,
    served: served ? { model: served.model, modelBytes: served.model_bytes, feedback: served.feedback } : null,
  };
}

/** Return the address of a link, null where it does not lead to a page of the web. */
export function webAddress(text: string): string | null {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Make an answer of a model's outputs, as Python does: of equal probabilities the earlier class comes first. */
export function makeAnswer(probs: readonly number[], familiarity: number, threshold: number) {
  const order = probs.map((_, place) => place).sort((a, b) => (probs[b] ?? 0) - (probs[a] ?? 0) || a - b);
  return { probs, order, familiarity, declined: familiarity < threshold };
}
