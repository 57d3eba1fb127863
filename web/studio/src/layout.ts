/** Where the pictures of the grid stand: pure arithmetic, in CSS pixels. */

export interface Layout {
  columns: number;
  cellWidth: number;
  cellHeight: number;
  rows: number;
  count: number;
}

export interface Rectangle {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const GAP = 10;
const CAPTION = 50;

/** Return the layout of so many pictures in a grid of this inner width, two columns at least. */
export function layOut(width: number, count: number, wantedWidth: number): Layout {
  const columns = Math.max(2, Math.floor((width + GAP) / (wantedWidth + GAP)));
  const cellWidth = Math.max(40, (width - GAP * (columns - 1)) / columns);
  const cellHeight = Math.round(cellWidth * 0.8) + CAPTION;
  return { columns, cellWidth, cellHeight, rows: Math.ceil(count / columns), count };
}

/** Return the numbers of the pictures that a rectangle touches, in order. */
export function within(layout: Layout, area: Rectangle): number[] {
  const column = (x: number) => x / (layout.cellWidth + GAP);
  const row = (y: number) => y / (layout.cellHeight + GAP);
  const firstColumn = Math.max(0, Math.floor(column(area.left + GAP)));
  const lastColumn = Math.min(layout.columns - 1, Math.floor(column(area.right)));
  const firstRow = Math.max(0, Math.floor(row(area.top + GAP)));
  const lastRow = Math.min(layout.rows - 1, Math.floor(row(area.bottom)));
  const numbers: number[] = [];
  for (let y = firstRow; y <= lastRow; y++) {
    for (let x = firstColumn; x <= lastColumn; x++) {
      const number = y * layout.columns + x;
      if (number < layout.count) numbers.push(number);
    }
  }
  return numbers;
}
