/** Addresses within the page, behind the `#`: they work on any host, below any path, and can be shared. */

import { useEffect, useMemo, useSyncExternalStore } from "react";

export type Route =
  | { readonly kind: "ask" }
  | { readonly kind: "gallery"; readonly query: string; readonly order: "name" | "hardest" }
  /** a class, beside another where two are compared */
  | { readonly kind: "class"; readonly name: string; readonly beside: string | null }
  | { readonly kind: "about" }
  | { readonly kind: "privacy" }
  | { readonly kind: "unknown" };

/** Read an address such as `#/class/rose?beside=tulip`. */
export function readRoute(hash: string): Route {
  const [path, search] = splitOnce(hash.replace(/^#\/?/, ""), "?");
  const [kind, rest] = splitOnce(path, "/");
  const query = new URLSearchParams(search);
  if (kind === "") return { kind: "ask" };
  if (kind === "gallery" && rest === "") return { kind, query: query.get("q") ?? "", order: query.get("order") === "hardest" ? "hardest" : "name" };
  if (kind === "class" && rest !== "") return { kind, name: decode(rest), beside: query.get("beside") };
  if ((kind === "about" || kind === "privacy") && rest === "") return { kind };
  return { kind: "unknown" };
}

/** Write the address of a view. */
export function address(route: Route): string {
  if (route.kind === "ask" || route.kind === "unknown") return "#/";
  if (route.kind === "gallery") return `#/gallery${search({ q: route.query, order: route.order === "name" ? "" : route.order })}`;
  if (route.kind === "class") return `#/class/${encodeURIComponent(route.name)}${search({ beside: route.beside ?? "" })}`;
  return `#/${route.kind}`;
}

/** The view that the address bar names. */
export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  return useMemo(() => readRoute(hash), [hash]);
}

/** Put another address into the bar without a step in the history: what is typed changes it with each key. */
export function replaceAddress(route: Route): void {
  history.replaceState(null, "", address(route));
  for (const listener of listeners) listener();
}

/**
 * Begin a view that a link leads to at its top, its heading in focus, so that screen readers read it out; give a view
 * that one returns to the place where it was left.
 */
export function useViewStart(): void {
  useEffect(() => {
    history.scrollRestoration = "manual";
    const places = new Map<string, number>();
    let isFollowed = false;
    let shown = location.hash;
    const click = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest("a[href^='#/']") : null;
      if (!link) return;
      isFollowed = true;
      places.set(shown, scrollY);
    };
    const scrolled = () => places.set(shown, scrollY);
    const change = () => {
      shown = location.hash;
      const top = isFollowed ? 0 : (places.get(shown) ?? 0);
      if (isFollowed) document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true });
      isFollowed = false;
      scrollTo(0, top);
    };
    document.addEventListener("click", click);
    addEventListener("scrollend", scrolled);
    addEventListener("hashchange", change);
    return () => {
      document.removeEventListener("click", click);
      removeEventListener("scrollend", scrolled);
      removeEventListener("hashchange", change);
    };
  }, []);
}

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener("hashchange", listener);
  return () => {
    listeners.delete(listener);
    removeEventListener("hashchange", listener);
  };
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function search(values: Record<string, string>): string {
  const given = Object.entries(values).filter(([, value]) => value !== "");
  return given.length > 0 ? `?${new URLSearchParams(given).toString()}` : "";
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand: "100%"
  }
}
