/** Whether the page works with the network off: its service worker holds all of it. */

import { useEffect, useState } from "react";

/** Keep the page on this device once its model is there, which the download then comes from; return whether it is. */
export function useOffline(isLoaded: boolean): boolean {
  const [isKept, setKept] = useState(false);
  useEffect(() => {
    if (!isLoaded || !("serviceWorker" in navigator)) return; // there is none in a page that came unencrypted
    const look = () => setKept(navigator.serviceWorker.controller !== null);
    look();
    navigator.serviceWorker.addEventListener("controllerchange", look);
    navigator.serviceWorker.register("./sw.js").catch(() => setKept(false)); // a private window: it works while online
    return () => navigator.serviceWorker.removeEventListener("controllerchange", look);
  }, [isLoaded]);
  return isKept;
}
