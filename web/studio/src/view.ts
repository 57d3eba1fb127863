/** What the page shows, as its address says it. */

import { parseAsString, parseAsStringLiteral, useQueryStates } from "nuqs";

export const ORDERS = ["worst", "audit", "class"] as const;
export const FILTERS = ["class_name", "reason", "state", "decision", "split", "source"] as const;

export type Order = (typeof ORDERS)[number];
export type Filter = (typeof FILTERS)[number];

const parsers = {
  order: parseAsStringLiteral(ORDERS).withDefault("worst"),
  // "" is a value of its own: no class, undecided, no split
  class_name: parseAsString,
  reason: parseAsString,
  state: parseAsString,
  decision: parseAsString,
  split: parseAsString,
  source: parseAsString,
  /** a picture whose neighbours are the list */
  like: parseAsString,
  /** the picture that is shown large */
  picture: parseAsString,
};

export type View = { order: Order; like: string | null; picture: string | null } & Record<Filter, string | null>;

export function useView() {
  return useQueryStates(parsers, { history: "push" });
}

/** Return what the server is asked for the list of a view. */
export function listQuery(view: View): URLSearchParams {
  const query = new URLSearchParams({ order: view.order });
  for (const filter of FILTERS) {
    const value = view[filter];
    if (value !== null) query.set(filter, value);
  }
  return query;
}

/** Return a view without its filters. */
export const UNFILTERED = Object.fromEntries(FILTERS.map((filter) => [filter, null])) as Record<Filter, null>;

/** Return how many filters are set. */
export const countFilters = (view: View) => FILTERS.filter((filter) => view[filter] !== null).length;
