/** Where a picture is answered: on the server that the page came from, or in this browser. */

import { useState, useSyncExternalStore } from "react";

import type { Classifier, ModelState } from "../classifier.ts";
import type { Place } from "../guide.ts";
import type { Server } from "../server.ts";

/** Who can answer; a page from a static host has no server, and a server may keep its model to itself. */
export interface Places {
  readonly server: Server | null;
  readonly browser: Classifier | null;
}

const KEPT_AS = "fieldguide place";
const NONE: ModelState = { kind: "idle" };

/** The place that was chosen here before, or the server where there is one. */
export function usePlace({ server, browser }: Places): [Place, (place: Place) => void] {
  const [place, setPlace] = useState<Place>(() => (browser && (!server || keptPlace() === "browser") ? "browser" : "server"));
  const choose = (next: Place) => {
    setPlace(next);
    try {
      localStorage.setItem(KEPT_AS, next);
    } catch {
      // a browser that keeps nothing: then it holds until the page is closed
    }
  };
  return [place, choose];
}

/** How far the model in this browser is. */
export function useModel(browser: Classifier | null): ModelState {
  return useSyncExternalStore(browser?.subscribe ?? subscribeToNothing, browser?.state ?? stateOfNothing);
}

function keptPlace(): string | null {
  try {
    return localStorage.getItem(KEPT_AS);
  } catch {
    return null;
  }
}

const subscribeToNothing = () => () => undefined;
const stateOfNothing = () => NONE;
