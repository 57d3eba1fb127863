/** Which picture is active and which are selected, by their numbers in the list: pure functions. */

export interface Selection {
  /** the picture that the keys act on where nothing is selected */
  active: number;
  /** where a range begins */
  anchor: number;
  selected: ReadonlySet<number>;
}

export const NOTHING: Selection = { active: 0, anchor: 0, selected: new Set() };

/** Go to a picture; `extend` selects all from the anchor to there. */
export function moveTo(selection: Selection, number: number, count: number, extend: boolean): Selection {
  const active = Math.max(0, Math.min(count - 1, number));
  if (!extend) return { active, anchor: active, selected: selection.selected };
  return { ...selection, active, selected: range(selection.anchor, active) };
}

/** Go to a picture and select nothing else. */
export function pick(number: number): Selection {
  return { active: number, anchor: number, selected: new Set() };
}

/** Select a picture that was not selected, or the other way round. */
export function toggle(selection: Selection, number: number): Selection {
  const selected = new Set(selection.selected);
  if (!selected.delete(number)) selected.add(number);
  return { active: number, anchor: number, selected };
}

/** Select these, beside what is selected already where `add`. */
export function selectAll(selection: Selection, numbers: Iterable<number>, add = false): Selection {
  return { ...selection, selected: new Set(add ? [...selection.selected, ...numbers] : numbers) };
}

export function clear(selection: Selection): Selection {
  return { ...selection, selected: new Set() };
}

/** Return the numbers of the pictures that a decision is about: the selected ones, or else the active one. */
export function targets(selection: Selection): number[] {
  return selection.selected.size > 0 ? [...selection.selected].sort((a, b) => a - b) : [selection.active];
}

function range(from: number, to: number): Set<number> {
  const first = Math.min(from, to);
  return new Set(Array.from({ length: Math.abs(to - from) + 1 }, (_, offset) => first + offset));
}
