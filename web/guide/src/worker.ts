/** The model, in a thread of its own: files in, answers out, so that the page never stands still. */

import * as ort from "onnxruntime-web/wasm";
import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import { decode } from "./decode.ts";
import { makeAnswer } from "./guide.ts";
import { BadImage, readHeader } from "./header.ts";
import type { FromWorker, Setup, ToWorker } from "./messages.ts";
import { prepareViews } from "./prepare.ts";

// threads need headers that a static host seldom sends
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: new URL(wasmUrl, import.meta.url).href };

let setup: Setup | undefined;
let session: Promise<ort.InferenceSession> | undefined;
let line: Promise<unknown> = Promise.resolve(); // one picture after the other

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "load") {
    setup = data.setup;
    session = loadModel(data.setup);
    session.then(() => post({ kind: "loaded" }), (error: unknown) => post({ kind: "unusable", message: messageOf(error) }));
    return;
  }
  line = line.then(async () => {
    try {
      post({ kind: "answer", id: data.id, answer: await classify(data.file, data.withSquares) });
    } catch (error) {
      post({ kind: "refused", id: data.id, reason: error instanceof BadImage ? error.reason : "", message: messageOf(error) });
    }
  });
};

/** Download the model, saying how far it is, and make it ready. */
async function loadModel({ modelUrl }: Setup): Promise<ort.InferenceSession> {
  const response = await fetch(modelUrl);
  if (!response.ok || !response.body) throw new Error(`The model cannot be loaded: ${response.status}`);
  const packed = response.headers.has("content-encoding"); // then the length is that of what was packed
  const total = packed ? 0 : Number(response.headers.get("content-length") ?? 0);
  const parts: Uint8Array[] = [];
  let received = 0;
  const reader = response.body.getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    parts.push(chunk.value);
    received += chunk.value.length;
    post({ kind: "progress", share: total > 0 ? Math.min(1, received / total) : 0 });
  }
  const model = new Uint8Array(received);
  let at = 0;
  for (const part of parts) {
    model.set(part, at);
    at += part.length;
  }
  return ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
}

async function classify(file: Blob, withSquares: boolean) {
  if (!setup || !session) throw new Error("no model was loaded");
  const started = performance.now();
  const bytes = new Uint8Array(await file.arrayBuffer());
  const header = readHeader(bytes, setup.limits);
  const picture = await decode(bytes, header);
  let squares: Uint8Array;
  try {
    squares = prepareViews((view) => picture.rowsFor(view), setup.views);
  } finally {
    picture.close();
  }
  const prepared = performance.now();
  const model = await session;
  const ready = performance.now();
  const size = setup.views[0]?.size ?? 0;
  const shape = setup.views.length > 1 ? [1, setup.views.length, size, size, 3] : [1, size, size, 3];
  const { probs, familiarity } = await model.run({ image: new ort.Tensor("uint8", squares, shape) }, ["probs", "familiarity"]);
  const answer = makeAnswer(numbers(probs), numbers(familiarity)[0] ?? NaN, setup.threshold);
  const decodeMs = prepared - started, modelMs = performance.now() - ready;
  return { ...answer, place: "browser" as const, tookMs: decodeMs + modelMs, decodeMs, modelMs, ...(withSquares ? { squares } : {}) };
}

const numbers = (tensor: ort.Tensor | undefined) => Array.from((tensor?.data ?? []) as Float32Array);
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function post(message: FromWorker): void {
  self.postMessage(message);
}
