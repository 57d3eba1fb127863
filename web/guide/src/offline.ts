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
    keep().catch(look); // a private window, or no network: it works with what there is
    return () => navigator.serviceWorker.removeEventListener("controllerchange", look);
  }, [isLoaded]);
  return isKept;
}

/** Register the service worker; ask for a newer version now, since browsers put that off for as long as they are busy. */
async function keep(): Promise<void> {
  const registration = await navigator.serviceWorker.register("./sw.js");
  if (registration.active) await registration.update();
}
