/** What guide.json says of a guide, as far as the page shows or needs it; all texts in it are from outside. */

import type { Limits } from "./header.ts";
import type { View } from "./prepare.ts";

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
}

/** What the model says of one picture. */
export interface Answer {
  /** of the classes, in the order of the guide */
  readonly probs: readonly number[];
  /** places of classes, the most probable first */
  readonly order: readonly number[];
  readonly familiarity: number;
  readonly declined: boolean;
  readonly decodeMs: number;
  readonly modelMs: number;
  /** where they are asked for: what the model saw, (views, size, size, 3) RGB */
  readonly squares?: Uint8Array;
}

type StoredView = Omit<View, "mirrored"> & { readonly mirrored?: boolean };

interface Stored extends Omit<Guide, "views" | "threshold" | "limits" | "accuracy"> {
  readonly schema_version: number;
  readonly preprocessing: StoredView;
  readonly views?: readonly StoredView[];
  readonly decline: { readonly threshold: number };
  readonly formats: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly scores: { readonly accuracy: readonly [number, number, number] };
}

export const SCHEMA_VERSION = 1;
const USUAL = { max_bytes: 50_000_000, max_pixels: 50_000_000 };
const FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]; // those that every browser decodes

/** Read the guide beside the page. */
export async function loadGuide(): Promise<Guide> {
  const response = await fetch("./guide.json");
  if (!response.ok) throw new Error(`guide.json cannot be read: ${response.status}`);
  return readGuide((await response.json()) as Stored);
}

/** Return what the page needs of a guide.json that its export has checked. */
export function readGuide(stored: Stored): Guide {
  if (stored.schema_version > SCHEMA_VERSION) throw new Error("This guide was made for a newer page: export it again.");
  const { name, about, classes } = stored;
  return {
    name, about, classes,
    views: (stored.views ?? [stored.preprocessing]).map((view) => ({ ...view, mirrored: view.mirrored ?? false })),
    threshold: stored.decline.threshold,
    limits: { ...USUAL, ...stored.limits, formats: stored.formats.filter((format) => FORMATS.includes(format)) },
    accuracy: stored.scores.accuracy,
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
