/** The rows of the grid that are in sight, of a list of any length. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useEffectEvent, useLayoutEffect, useRef, useState } from "react";

import { shiftAt, shiftFor, spanOf } from "./span.ts";

export interface Rows {
  /** those that are drawn, each with its distance from the top of the element, in pixels */
  shown: { row: number; top: number }[];
  /** of the element that holds the rows */
  height: number;
  /** the number of the row at the top of that element */
  shift: number;
}

export const PADDING = 12; // above and below the rows

/** Use the rows in sight of so many; the active one is brought into sight when it or the height of the rows changes. */
export function useRows(scroller: RefObject<HTMLElement | null>, count: number, rowHeight: number, active: number): Rows {
  const span = spanOf(count, rowHeight);
  const [now, setNow] = useState({ count, rowHeight, active, shift: 0 });
  if (now.count !== count || now.rowHeight !== rowHeight || now.active !== active) {
    setNow({ count, rowHeight, active, shift: shiftFor(span, active, Math.min(now.shift, span.hidden)) });
  }
  const rows = useVirtualizer({
    count: span.placed,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 3,
    paddingStart: PADDING,
    paddingEnd: PADDING,
    scrollPaddingStart: PADDING,
    scrollPaddingEnd: PADDING,
  });
  useLayoutEffect(() => rows.measure(), [rows, rowHeight]);

  const top = useRef(0); // where the scroller was; what moves it from here is a jump of the bar, if it is far
  const follow = useEffectEvent((node: HTMLElement) => {
    const isJump = Math.abs(node.scrollTop - top.current) > node.clientHeight;
    top.current = node.scrollTop;
    if (isJump && span.hidden > 0) setNow((before) => ({ ...before, shift: shiftAt(span, node.scrollTop / rowHeight) }));
  });
  const carried = useRef(0); // rows that the scroller has to move, so that what is in sight stays there
  const rest = useEffectEvent((node: HTMLElement) => {
    const shift = shiftFor(span, Math.floor(node.scrollTop / rowHeight) + now.shift, now.shift);
    if (shift === now.shift) return;
    carried.current = now.shift - shift;
    setNow({ ...now, shift });
  });
  useLayoutEffect(() => {
    if (carried.current === 0 || scroller.current === null) return;
    scroller.current.scrollTop += carried.current * rowHeight;
    top.current = scroller.current.scrollTop;
    carried.current = 0;
  }, [scroller, rowHeight, now.shift]);
  useEffect(() => {
    const node = scroller.current;
    if (node === null) return;
    const scrolled = () => follow(node);
    const ended = () => rest(node);
    node.addEventListener("scroll", scrolled, { passive: true });
    node.addEventListener("scrollend", ended, { passive: true });
    return () => {
      node.removeEventListener("scroll", scrolled);
      node.removeEventListener("scrollend", ended);
    };
  }, [scroller]);

  const reveal = useEffectEvent(() => {
    if (active >= count) return;
    rows.scrollToIndex(active - now.shift, { align: "auto" });
    top.current = scroller.current?.scrollTop ?? 0;
  });
  // never against a person who scrolls: only where the active picture or the width has changed
  useEffect(() => reveal(), [active, count, rowHeight]);

  return {
    shown: rows.getVirtualItems().map((item) => ({ row: item.index + now.shift, top: item.start })),
    height: rows.getTotalSize(),
    shift: now.shift,
  };
}
