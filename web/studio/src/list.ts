/** The list of pictures, of which only the pages in sight are fetched. */

import { queryOptions, type QueryClient, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { getNeighbours, getPage, getPicture, type Page, type Picture } from "./api.ts";

export interface List {
  /** null until it is known */
  total: number | null;
  /** the server's number of the list; null where it has none */
  version: number | null;
  error: Error | null;
  at: (number: number) => Picture | undefined;
  /** the number of a picture among those that were fetched */
  find: (sha256: string) => number | undefined;
  /** how alike the picture is that the list was made for */
  similarityAt: (number: number) => number | undefined;
  /** say which pictures are in sight */
  show: (first: number, last: number) => void;
  /** fetch what is missing of these, and return them all */
  take: (numbers: number[]) => Promise<Picture[]>;
  retry: () => void;
}

const PAGE_SIZE = 100;
const AHEAD = 50; // pictures that are fetched before they come in sight
const SETTLE_MS = 60; // a scroll bar that is dragged past pages does not fetch them
const MOST_NEIGHBOURS = 60;

/** Use the list that a query gives; `generation` another number fetches it anew. */
export function usePictures(query: string, generation: number, enabled: boolean): List {
  const client = useQueryClient();
  const options = useCallback((page: number) => pageOptions(client, query, generation, page), [client, query, generation]);
  const first = useQuery({ ...options(0), enabled });
  const total = first.data?.total ?? null;
  const [range, show] = useSettled();
  const last = Math.max(0, Math.ceil((total ?? 0) / PAGE_SIZE) - 1);
  const from = Math.max(0, Math.floor((range.first - AHEAD) / PAGE_SIZE));
  const to = Math.min(last, Math.floor((range.last + AHEAD) / PAGE_SIZE));
  const numbers = Array.from({ length: Math.max(0, to - from + 1) }, (_, offset) => from + offset);
  const pages = useQueries({ queries: numbers.map((page) => ({ ...options(page), enabled: enabled && total !== null })) });

  // read here, since a query only has the page drawn again for what was read of it
  const inSight = new Map(numbers.map((page, place) => [page, pages[place]?.data]));
  const at = (number: number) => {
    const page = Math.floor(number / PAGE_SIZE);
    // pages that went out of sight are still in the cache, so that a way back shows them at once
    const data = inSight.get(page) ?? client.getQueryData(options(page).queryKey);
    return data?.pictures[number % PAGE_SIZE];
  };
  const find = (sha256: string) => {
    for (const [key, page] of client.getQueriesData<Page>({ queryKey: ["pictures", query, generation] })) {
      const place = page?.pictures.findIndex((picture) => picture.sha256 === sha256) ?? -1;
      if (place >= 0) return Number(key[3]) * PAGE_SIZE + place;
    }
    return undefined;
  };
  const take = async (wanted: number[]) => {
    const touched = [...new Set(wanted.map((number) => Math.floor(number / PAGE_SIZE)))].sort((a, b) => a - b);
    for (const page of touched) await client.query({ ...options(page), staleTime: "static" });
    return wanted.map(at).filter((picture) => picture !== undefined);
  };
  const error = first.error ?? pages.find((page) => page.error !== null)?.error ?? null;
  const retry = () => {
    void first.refetch();
    for (const page of pages) if (page.isError) void page.refetch();
  };
  return { total, version: first.data?.version ?? null, error, at, find, similarityAt: () => undefined, show, take, retry };
}

/** Use the list of a picture and those most like it; none where `sha256` is null. */
export function useNeighbours(sha256: string | null): List {
  const picture = useQuery(pictureOptions(sha256));
  const neighbours = useQuery(neighbourOptions(sha256, MOST_NEIGHBOURS));
  const pictures = useMemo(
    () => (picture.data && neighbours.data ? [picture.data, ...neighbours.data.neighbours] : null),
    [picture.data, neighbours.data],
  );
  return {
    total: pictures?.length ?? null,
    version: null,
    error: picture.error ?? neighbours.error,
    at: (number) => pictures?.[number],
    find: (sha256) => {
      const number = pictures?.findIndex((picture) => picture.sha256 === sha256) ?? -1;
      return number < 0 ? undefined : number;
    },
    similarityAt: (number) => (number === 0 ? 1 : neighbours.data?.neighbours[number - 1]?.similarity),
    show: ignore,
    take: (numbers) => Promise.resolve(numbers.flatMap((number) => pictures?.[number] ?? [])),
    retry: () => {
      void picture.refetch();
      void neighbours.refetch();
    },
  };
}

export function pictureOptions(sha256: string | null, revision = 0) {
  return queryOptions({
    queryKey: ["picture", sha256, revision],
    queryFn: ({ signal }) => getPicture(sha256 ?? "", signal),
    enabled: sha256 !== null,
    placeholderData: (before) => (before?.sha256 === sha256 ? before : undefined),
  });
}

export function neighbourOptions(sha256: string | null, limit: number) {
  return queryOptions({
    queryKey: ["neighbours", sha256, limit],
    queryFn: ({ signal }) => getNeighbours(sha256 ?? "", limit, signal),
    enabled: sha256 !== null,
  });
}

function pageOptions(client: QueryClient, query: string, generation: number, page: number) {
  const key = (number: number) => ["pictures", query, generation, number] as const;
  return queryOptions({
    queryKey: key(page),
    queryFn: ({ signal }) => {
      const wanted = new URLSearchParams(query);
      wanted.set("limit", String(PAGE_SIZE));
      const before = page > 0 ? client.getQueryData<Page>(key(page - 1)) : undefined;
      // going on from a page skips nothing, even when decisions took pictures out of the list meanwhile
      if (before?.next) wanted.set("after", before.next);
      else if (page > 0) wanted.set("offset", String(page * PAGE_SIZE));
      return getPage(wanted, signal);
    },
  });
}

/** Return the last range that was set, once it has stayed for a moment. */
function useSettled() {
  const [range, setRange] = useState({ first: 0, last: 0 });
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const show = useCallback((first: number, last: number) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setRange((now) => (now.first === first && now.last === last ? now : { first, last }));
    }, SETTLE_MS);
  }, []);
  return [range, show] as const;
}

function ignore(): void {
  // all of it is there
}
