/**
 * Which rows of a long list stand in the element that scrolls: a browser draws no element as tall as a million pictures.
 *
 * The element has places for some of the rows, all in a run: place 0 holds the row whose number is the shift. A wheel,
 * a finger or a key moves over the places, row by row, and the shift stays. Who drags the scroll bar goes over the whole
 * list, since then the shift follows the place. Near each end of the element it is that of the end, so that the first
 * and the last row can be scrolled to.
 */

export interface Span {
  /** rows that have a place */
  placed: number;
  /** rows that have none, before and behind them */
  hidden: number;
}

const MAX_HEIGHT = 10_000_000; // Chromium stops at 33.5 million pixels of the screen, of which a phone has 3 to one of ours
const EDGE = 0.1; // the share of the places at each end over which the shift is that of the end

/** Return how many of so many rows have a place. */
export function spanOf(rows: number, rowHeight: number): Span {
  const placed = Math.min(rows, Math.floor(MAX_HEIGHT / rowHeight));
  return { placed, hidden: rows - placed };
}

/** Return the shift where a place was dragged to. */
export const shiftAt = (span: Span, place: number) => shiftAlong(span, place, span.placed);

/** Return the shift that has a row in sight; the one that there is, unless the row is outside or near an end of the places. */
export function shiftFor(span: Span, row: number, shift: number): number {
  const place = row - shift;
  const near = (EDGE / 2) * span.placed;
  const isInside = (place >= near || shift === 0) && (place < span.placed - near || shift === span.hidden);
  return isInside ? shift : shiftAlong(span, row, span.placed + span.hidden);
}

function shiftAlong({ placed, hidden }: Span, number: number, count: number): number {
  const edge = EDGE * placed;
  const share = (number - edge) / (count - 2 * edge);
  return Math.round(hidden * Math.min(1, Math.max(0, share)));
}
