/** What guide.json says of a guide, as far as the page shows or needs it; all texts in it are from outside. */

import type { Limits } from "./header.ts";
import { distinguish } from "./names.ts";
import type { View } from "./prepare.ts";
import { request } from "./request.ts";

export interface Example {
  readonly file: string;
  readonly author: string;
  readonly licence: string;
  readonly licence_url: string;
  readonly source: string;
}

/** A class that another is confused with; counts of pictures, and of how many. */
export interface Neighbour {
  readonly name: string;
  readonly taken_for_it: readonly [number, number];
  readonly it_taken_for_this: readonly [number, number];
  readonly measured_on: string;
}

export interface GuideClass {
  readonly name: string;
  /** what it is a kind of, such as its genus */
  readonly parent?: string;
  /** by language; guides of earlier versions have none of these three */
  readonly names?: Readonly<Record<string, string>>;
  readonly images?: { readonly train: number; readonly val: number; readonly test: number };
  readonly neighbours?: readonly Neighbour[];
  readonly about: string;
  readonly links: readonly (string | { readonly url: string; readonly label: string })[];
  readonly examples: readonly Example[];
}

/** Scores of one class on the test pictures; guides of early versions have no intervals. */
export interface ClassScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly support: number;
  readonly precision_low?: number;
  readonly precision_high?: number;
  readonly recall_low?: number;
  readonly recall_high?: number;
}

/** A share in 0..1, and its interval. */
type Share = readonly [number, number, number];

export interface Scores {
  readonly accuracy: Share;
  readonly per_class: Readonly<Record<string, ClassScore>>;
  readonly grouped?: Share | null;
  readonly careless?: Share | null;
  readonly macro_f1?: number;
  readonly macro_f1_interval?: readonly [number, number] | null;
  readonly test_images?: number;
}

interface Decline {
  readonly threshold: number;
  readonly true_accept?: number;
  readonly true_accept_interval?: readonly [number, number];
  readonly test_images?: number;
  readonly false_accept?: number | null;
  readonly left_out?: number;
  readonly left_out_images?: number;
}

interface Data {
  readonly images?: number;
  readonly train?: number;
  readonly val?: number;
  readonly test?: number;
  readonly fingerprint?: string;
  readonly by_source?: Readonly<Record<string, number>>;
  readonly by_licence?: Readonly<Record<string, number>>;
}

/** A form that the guide was exported to: how large, how fast, and how closely it answers like the guide. */
export interface Form {
  readonly about?: string;
  readonly bytes?: number;
  readonly latency_ms?: number;
  /** why it was not run; "" where it was */
  readonly unproved?: string;
  readonly compared?: number;
  readonly agreement?: number;
  readonly max_difference?: number;
  readonly decline_agreement?: number;
}

interface Branding {
  readonly title?: string;
  readonly logo?: string;
  readonly colour?: string;
  readonly about?: string;
  readonly footer?: string;
}

export interface Guide {
  readonly name: string;
  readonly about: string;
  readonly classes: readonly GuideClass[];
  readonly views: readonly View[];
  readonly threshold: number;
  /** the probability under which a class is unsure */
  readonly unsureBelow: number;
  readonly limits: Limits;
  readonly accuracy: Share;
  /** what the server that the page came from offers; null where it came from a static host */
  readonly served: Served | null;
  readonly scores: Scores;
  readonly decline: Decline;
  readonly intendedUse: string;
  readonly limitations: string;
  readonly data: Data;
  readonly branding: Branding;
  /** by name; none where the guide was never exported */
  readonly forms: Readonly<Record<string, Form>>;
  readonly making: { readonly learner: string; readonly backbone: string; readonly toolVersion: string; readonly fingerprint: string };
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

interface Stored {
  readonly name: string;
  readonly about: string;
  readonly classes: readonly GuideClass[];
  readonly intended_use?: string;
  readonly limitations?: string;
  readonly data?: Data;
  readonly branding?: Branding;
  readonly forms?: Readonly<Record<string, Form>>;
  readonly learner?: string;
  readonly backbone?: string;
  readonly tool_version?: string;
  readonly schema_version: number;
  readonly preprocessing: StoredView;
  readonly views?: readonly StoredView[];
  readonly decline: Decline;
  readonly unsure_below?: number;
  readonly formats: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly scores: Omit<Scores, "per_class"> & Partial<Pick<Scores, "per_class">>;
  readonly served?: { readonly model: string | null; readonly model_bytes: number; readonly feedback: boolean };
}

export const SCHEMA_VERSION = 1;
const UNSURE_BELOW = 0.6;
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
    name, about,
    classes: distinguish(classes),
    views: (stored.views ?? [stored.preprocessing]).map((view) => ({ ...view, mirrored: view.mirrored ?? false })),
    threshold: stored.decline.threshold,
    unsureBelow: stored.unsure_below ?? UNSURE_BELOW,
    limits: { ...USUAL, ...stored.limits, formats: stored.formats.filter((format) => FORMATS.includes(format)) },
    accuracy: stored.scores.accuracy,
    served: served ? { model: served.model, modelBytes: served.model_bytes, feedback: served.feedback } : null,
    scores: { ...stored.scores, per_class: stored.scores.per_class ?? {} },
    decline: stored.decline,
    intendedUse: stored.intended_use ?? "",
    limitations: stored.limitations ?? "",
    data: stored.data ?? {},
    branding: stored.branding ?? {},
    forms: stored.forms ?? {},
    making: {
      learner: stored.learner ?? "", backbone: stored.backbone ?? "", toolVersion: stored.tool_version ?? "",
      fingerprint: stored.data?.fingerprint ?? "",
    },
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

/** Return the links of a class that lead to pages of the web, each with what it is called. */
export function webLinks(it: GuideClass): readonly (readonly [string, string])[] {
  return it.links.flatMap((link) => {
    const { url, label } = typeof link === "string" ? { url: link, label: "" } : link;
    const address = webAddress(url);
    return address === null ? [] : [[address, label || new URL(address).host] as const];
  });
}

/** Return how many of a class's test pictures were named rightly; null where there were none or no one knows. */
export function recognised(guide: Guide, name: string): { readonly hits: number; readonly of: number } | null {
  const score = guide.scores.per_class[name];
  return score && score.support > 0 ? { hits: Math.round(score.recall * score.support), of: score.support } : null;
}

/** Make an answer of a model's outputs, as Python does: of equal probabilities the earlier class comes first. */
export function makeAnswer(probs: readonly number[], familiarity: number, threshold: number) {
  const order = probs.map((_, place) => place).sort((a, b) => (probs[b] ?? 0) - (probs[a] ?? 0) || a - b);
  return { probs, order, familiarity, declined: familiarity < threshold };
}
