/** Whether the page works with the network off: its service worker holds all of it. */

import { useEffect, useState } from "react";

import type { ModelState } from "./classifier.ts";

/**
 * Keep the page of a static host on this device, model and all, and return whether it is kept.
 *
 * That begins once the page is shown and the browser has nothing else to do, so that one visit is enough. A model that
 * someone waits for is loaded first, and the download then comes from what the browser has of it. Where the browser is
 * told to save data, it begins with the first answer.
 */
export function useOffline(isStatic: boolean, model: ModelState["kind"]): boolean {
  const [isKept, setKept] = useState(false);
  const [isQuiet, setQuiet] = useState(false);
  const isPossible = isStatic && "serviceWorker" in navigator; // there is none in a page that came unencrypted
  const isDue = isPossible && (model === "ready" || (model === "idle" && isQuiet));
  useEffect(() => {
    return isPossible && !savesData() ? whenQuiet(() => setQuiet(true)) : undefined;
  }, [isPossible]);
  useEffect(() => {
    if (!isPossible) return;
    const look = () => setKept(navigator.serviceWorker.controller !== null);
    look();
    navigator.serviceWorker.addEventListener("controllerchange", look);
    return () => navigator.serviceWorker.removeEventListener("controllerchange", look);
  }, [isPossible]);
  useEffect(() => {
    if (isDue) keep().catch(() => undefined); // a private window, or no network: it works with what there is
  }, [isDue]);
  return isKept;
}

/** Register the service worker; ask for a newer version now, since browsers put that off for as long as they are busy. */
async function keep(): Promise<void> {
  const registration = await navigator.serviceWorker.register("./sw.js");
  if (registration.active) await registration.update();
}

/** Call once the page and its pictures are there and the browser is idle; return what calls it off. */
function whenQuiet(call: () => void): () => void {
  const off = new AbortController();
  const wait = () => {
    if (off.signal.aborted) return;
    if ("requestIdleCallback" in window) requestIdleCallback(() => !off.signal.aborted && call());
    else setTimeout(() => !off.signal.aborted && call()); // Safari
  };
  if (document.readyState === "complete") wait();
  else addEventListener("load", wait, { once: true, signal: off.signal });
  return () => off.abort();
}

/** Whether the person has told the browser to load little. */
function savesData(): boolean {
  const { connection } = navigator as Navigator & { readonly connection?: { readonly saveData?: boolean } };
  return connection?.saveData ?? false;
}
