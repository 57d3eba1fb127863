/** What the page and its worker say to each other. */

import type { Answer } from "./guide.ts";
import type { Limits } from "./header.ts";
import type { View } from "./prepare.ts";

export interface Setup {
  readonly modelUrl: string;
  readonly views: readonly View[];
  readonly limits: Limits;
  readonly threshold: number;
}

export type ToWorker =
  | { readonly kind: "load"; readonly setup: Setup }
  | { readonly kind: "classify"; readonly id: number; readonly file: Blob; readonly withSquares: boolean };

export type FromWorker =
  | { readonly kind: "progress"; readonly share: number }
  | { readonly kind: "loaded" }
  | { readonly kind: "unusable"; readonly message: string }
  | { readonly kind: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly kind: "refused"; readonly id: number; readonly reason: string; readonly message: string };
