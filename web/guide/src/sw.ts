/// <reference lib="webworker" />
/**
 * Keeps the whole folder on the device, so that the page works with the network off after its first visit.
 *
 * The export writes before this script what the folder holds: each file with its SHA-256. All of them are one version:
 * a new one is fetched whole and checked, what has not changed is taken over, and it is used from the next start on, never
 * by a page that is open. Other guides at the same host keep their own.
 */

export {};

interface Release {
  readonly version: string;
  /** path below the folder: SHA-256 of its content, hexadecimal */
  readonly files: Readonly<Record<string, string>>;
}

const worker = self as unknown as ServiceWorkerGlobalScope & { readonly release: Release };
const { version, files } = worker.release;
const folder = worker.registration.scope;
const prefix = `fieldguide ${folder} `;
const name = prefix + version;

worker.addEventListener("install", (event) => event.waitUntil(fetchAll()));

worker.addEventListener("activate", (event) => event.waitUntil(takeOver()));

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(folder)) event.respondWith(answer(request));
});

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  url.search = url.hash = "";
  const cache = await caches.open(name);
  const path = url.href === folder ? `${folder}index.html` : url.href;
  return (await cache.match(path)) ?? fetch(request);
}

async function fetchAll(): Promise<void> {
  const cache = await caches.open(name);
  for (const [path, digest] of Object.entries(files)) {
    const address = new URL(path, folder).href;
    const kept = await caches.match(address);
    const response = kept && (await digestOf(kept.clone())) === digest ? kept : await fetchChecked(address, digest);
    await cache.put(address, response);
  }
}

async function fetchChecked(address: string, digest: string): Promise<Response> {
  const response = await fetch(address, { cache: "no-cache" });
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  if ((await digestOf(response.clone())) !== digest) throw new Error(`${address} is of another version`);
  return response.redirected ? new Response(response.body, { headers: response.headers }) : response;
}

async function digestOf(response: Response): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function takeOver(): Promise<void> {
  for (const other of await caches.keys()) {
    if (other.startsWith(prefix) && other !== name) await caches.delete(other);
  }
  await worker.clients.claim();
}
