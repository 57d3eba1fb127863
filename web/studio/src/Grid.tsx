import {
  type PointerEvent, type ReactNode, type Ref, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState,
} from "react";

import type { Picture } from "./api.ts";
import { Cell } from "./Cell.tsx";
import { GAP, layOut, type Layout, type Rectangle, within } from "./layout.ts";
import type { List } from "./list.ts";
import { PADDING, useRows } from "./rows.ts";
import type { Selection } from "./selection.ts";

export interface GridHandle {
  focus: () => void;
  /** how far a key goes */
  columns: () => number;
  rowsInSight: () => number;
}

interface Props {
  ref: Ref<GridHandle>;
  list: List;
  pictureAt: (number: number) => (Picture & { saving?: boolean }) | undefined;
  selection: Selection;
  label: string;
  empty: ReactNode;
  onPick: (number: number, event: { shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }) => void;
  onOpen: (number: number) => void;
  /** pictures that a rectangle was drawn over */
  onDraw: (numbers: number[], add: boolean) => void;
}

const WANTED_WIDTH = 200;
const WANTED_WIDTH_WIDE = 232;

/** The grid of thumbnails: a list box of which only the rows in sight are in the page. */
export function Grid({ ref, list, pictureAt, selection, label, empty, onPick, onOpen, onDraw }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(scroller);
  const total = list.total ?? 0;
  const layout = layOut(width, width > 0 ? total : 0, width < 700 ? WANTED_WIDTH * 0.8 : width < 1800 ? WANTED_WIDTH : WANTED_WIDTH_WIDE);
  const rowHeight = layout.cellHeight + GAP;
  const rows = useRows(scroller, layout.rows, rowHeight, Math.floor(selection.active / layout.columns));
  const { show } = list;
  const first = (rows.shown[0]?.row ?? 0) * layout.columns;
  const last = ((rows.shown.at(-1)?.row ?? 0) + 1) * layout.columns;
  useEffect(() => show(first, last), [show, first, last]);
  useImperativeHandle(ref, () => ({
    focus: () => scroller.current?.focus({ preventScroll: true }),
    columns: () => layout.columns,
    rowsInSight: () => Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight)),
  }));
  const drawing = useDrawing(layout, rows.shift * rowHeight, onDraw);
  const activeIsThere = selection.active >= first && selection.active < last && selection.active < total;

  return (
    <div
      ref={scroller}
      className="grid"
      role={total > 0 ? "listbox" : "group"} // a list box without options is none
      aria-label={label}
      aria-multiselectable={total > 0 || undefined}
      aria-activedescendant={activeIsThere ? `picture-${selection.active}` : undefined}
      tabIndex={0}
      onClick={(event) => {
        const number = numberOf(event.target);
        if (number === null || drawing.justDrawn()) return;
        // the tick of a picture does with a finger what Ctrl and a click does
        onPick(number, isOnTick(event.target) ? { shiftKey: event.shiftKey, ctrlKey: true, metaKey: false } : event);
      }}
      onDoubleClick={(event) => {
        const number = numberOf(event.target);
        if (number !== null && !isOnTick(event.target)) onOpen(number);
      }}
      {...drawing.handlers}
    >
      {list.total === 0 && empty}
      <div className="rows" role="presentation" style={{ height: rows.height }}>
        {rows.shown.map(({ row, top }) => (
          <div
            key={row}
            className="row"
            role="presentation"
            style={{
              transform: `translateY(${top}px)`,
              height: layout.cellHeight,
              gridTemplateColumns: `repeat(${layout.columns}, minmax(0, 1fr))`,
            }}
          >
            {numbersIn(row, layout).map((number) => (
              <Cell
                key={number}
                number={number}
                total={total}
                picture={pictureAt(number)}
                similarity={list.similarityAt(number)}
                active={number === selection.active}
                selected={selection.selected.has(number)}
                grouped={groupedAt(list, number)}
              />
            ))}
          </div>
        ))}
        {drawing.area && (
          <div
            className="marquee"
            style={{
              left: drawing.area.left,
              top: drawing.area.top - rows.shift * rowHeight + PADDING,
              width: drawing.area.right - drawing.area.left,
              height: drawing.area.bottom - drawing.area.top,
            }}
          />
        )}
      </div>
    </div>
  );
}

function numbersIn(row: number, layout: Layout): number[] {
  const first = row * layout.columns;
  return Array.from({ length: Math.min(layout.columns, layout.count - first) }, (_, offset) => first + offset);
}

/** Tell where in a run of near-copies a picture stands. */
function groupedAt(list: List, number: number): "" | "starts" | "goes-on" | "ends" {
  const group = list.at(number)?.group;
  if (group === undefined) return "";
  const before = number > 0 && list.at(number - 1)?.group === group;
  const after = list.at(number + 1)?.group === group;
  return before ? (after ? "goes-on" : "ends") : after ? "starts" : "";
}

const isOnTick = (target: EventTarget) => target instanceof Element && target.closest(".tick") !== null;

function numberOf(target: EventTarget): number | null {
  const cell = target instanceof Element ? target.closest<HTMLElement>("[data-number]") : null;
  return cell ? Number(cell.dataset.number) : null;
}

/** Return the width inside an element, as it changes. */
function useWidth(element: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const node = element.current;
    if (node === null) return;
    const measure = () => {
      const style = getComputedStyle(node);
      setWidth(node.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, [element]);
  return width;
}

const DRAG_STARTS_PX = 6;
const EDGE_PX = 48;

/** Let a mouse draw a rectangle over the pictures; near an edge the grid scrolls along. `above` is the height of the hidden rows. */
function useDrawing(layout: Layout, above: number, onDraw: (numbers: number[], add: boolean) => void) {
  const [area, setArea] = useState<Rectangle | null>(null);
  const start = useRef<{ x: number; y: number } | null>(null);
  const drawn = useRef(false);

  const place = (event: PointerEvent<HTMLDivElement>) => {
    const rows = event.currentTarget.querySelector(".rows")?.getBoundingClientRect();
    return { x: event.clientX - (rows?.left ?? 0), y: event.clientY - (rows?.top ?? 0) - PADDING + above };
  };
  const end = () => {
    start.current = null;
    setArea(null);
  };
  const handlers = {
    onPointerDown: (event: PointerEvent<HTMLDivElement>) => {
      drawn.current = false;
      const onScrollbar = event.nativeEvent.offsetX > event.currentTarget.clientWidth && event.target === event.currentTarget;
      if (event.pointerType !== "mouse" || event.button !== 0 || event.shiftKey || onScrollbar) return;
      start.current = place(event);
    },
    onPointerMove: (event: PointerEvent<HTMLDivElement>) => {
      if (start.current === null) return;
      const from = start.current;
      const to = place(event);
      if (!drawn.current && Math.hypot(to.x - from.x, to.y - from.y) < DRAG_STARTS_PX) return;
      if (!drawn.current) event.currentTarget.setPointerCapture(event.pointerId);
      drawn.current = true;
      const next = {
        left: Math.min(from.x, to.x),
        right: Math.max(from.x, to.x),
        top: Math.min(from.y, to.y),
        bottom: Math.max(from.y, to.y),
      };
      setArea(next);
      onDraw(within(layout, next), event.ctrlKey || event.metaKey);
      const box = event.currentTarget.getBoundingClientRect();
      if (event.clientY > box.bottom - EDGE_PX) event.currentTarget.scrollBy(0, EDGE_PX / 2);
      else if (event.clientY < box.top + EDGE_PX) event.currentTarget.scrollBy(0, -EDGE_PX / 2);
    },
    onPointerUp: end,
    onPointerCancel: end,
  };
  return { area, handlers, justDrawn: () => drawn.current };
}
