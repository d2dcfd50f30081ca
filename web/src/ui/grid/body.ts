import type { CellStyle } from './cells';

/** A column as rows show it. */
export interface BodyColumn {
  /** Place among the columns that are shown, from 0. */
  at: number;
  /** Place among the values of a row; undefined if they have none for it. */
  value: number | undefined;
  style: CellStyle | undefined;
  left: number; // px
  width: number;
}

/** What is to be seen. */
export interface BodyView {
  /** The rows from first on, count of them. */
  first: number;
  count: number;
  /** The row whose element stands first in the document. */
  origin: number;
  /** The row that places are counted from. */
  base: number;
  rowHeight: number;
  /** Only those that are in sight; another list is another layout. */
  columns: readonly BodyColumn[];
  row(index: number): readonly unknown[] | undefined;
  selected: number | undefined;
  /** The cell that keys act on. */
  current: { row: number; column: number; id: string };
}

interface Row {
  element: HTMLElement;
  cells: Cell[];
  index: number;
  y: number;
  values: readonly unknown[] | undefined | null; // null: never written
  columns: readonly BodyColumn[] | undefined;
  selected: boolean;
}

interface Cell {
  element: HTMLElement;
  text: Text;
  written: string;
  classes: string;
}

/**
 * The rows of a grid that are seen. They are hundreds of cells that change with every frame while one scrolls, so their elements are
 * kept and only what differs is written; cells are placed by themselves, so that a new text lays out nothing but its cell. A row
 * keeps its element while it is seen, and the elements of rows that went out at one end come in at the other.
 */
export class GridBody {
  private rows: Row[] = [];
  private active: HTMLElement | undefined;

  constructor(private readonly root: HTMLElement) {}

  draw(view: BodyView): void {
    this.resize(view.count);
    this.active?.removeAttribute('id');
    this.active?.classList.remove('at');
    this.active = undefined;
    for (const [slot, row] of this.rows.entries()) this.write(row, rowAt(slot, view), view);
  }

  private resize(count: number): void {
    while (this.rows.length > count) this.rows.pop()?.element.remove();
    while (this.rows.length < count) {
      const element = document.createElement('div');
      element.className = 'dg-r';
      element.setAttribute('role', 'row');
      element.setAttribute('aria-selected', 'false');
      this.root.append(element);
      this.rows.push({ element, cells: [], index: -1, y: NaN, values: null, columns: undefined, selected: false });
    }
  }

  private write(row: Row, index: number, view: BodyView): void {
    const { element } = row;
    if (row.index !== index) {
      row.index = index;
      element.setAttribute('aria-rowindex', String(index + 3)); // after the names and the filters
      element.dataset['i'] = String(index);
    }
    const y = (index - view.base) * view.rowHeight;
    if (row.y !== y) {
      row.y = y;
      element.style.top = `${y}px`;
    }
    const selected = index === view.selected;
    if (row.selected !== selected) {
      row.selected = selected;
      element.classList.toggle('sel', selected);
      element.setAttribute('aria-selected', String(selected));
    }
    const values = view.row(index);
    if (row.values !== values || row.columns !== view.columns) {
      if (row.columns !== view.columns) layOut(row, view.columns);
      if (!values !== !row.values || row.values === null) element.classList.toggle('wait', !values);
      row.values = values;
      for (const [n, column] of view.columns.entries()) fill(row.cells[n], column, values);
    }
    if (index === view.current.row) {
      const at = view.columns.findIndex((c) => c.at === view.current.column);
      const cell = row.cells[at]?.element;
      if (!cell) return;
      cell.id = view.current.id;
      cell.classList.add('at');
      this.active = cell;
    }
  }
}

/** The row of an element: at rest the elements stand in the order of the rows, for those who read them so. */
function rowAt(slot: number, { first, count, origin }: BodyView): number {
  return first + ((((slot - first + origin) % count) + count) % count);
}

function layOut(row: Row, columns: readonly BodyColumn[]): void {
  row.columns = columns;
  row.element.style.paddingLeft = `${columns[0]?.left ?? 0}px`;
  while (row.cells.length > columns.length) row.cells.pop()?.element.remove();
  while (row.cells.length < columns.length) {
    const element = document.createElement('div');
    element.setAttribute('role', 'gridcell');
    const text = document.createTextNode('');
    element.append(text);
    row.element.append(element);
    row.cells.push({ element, text, written: '', classes: '' });
  }
  for (const [n, column] of columns.entries()) {
    const element = row.cells[n]?.element;
    if (!element) continue;
    element.dataset['j'] = String(column.at);
    element.ariaColIndex = String(column.at + 1);
    element.style.width = `${column.width}px`;
    element.removeAttribute('title');
  }
}

/** px. Clipping costs a layer of its own, so it is for cells whose text may not fit: of letters that may be wider nobody knows. */
function mayNotFit(text: string, width: number, edge: boolean): boolean {
  const letter = /^[\d\u202f .,:+–−-]*$/.test(text) ? 7.5 : /^[ -~\u202f–−]*$/.test(text) ? 9 : Infinity;
  return text !== '' && text.length * letter > width - (edge ? 26 : 20);
}

function fill(
  cell: Cell | undefined,
  { style, value: at, left, width }: BodyColumn,
  values: readonly unknown[] | undefined,
): void {
  if (!cell) return;
  const value = at === undefined ? undefined : values?.[at];
  const text = values && style ? style.text(value) : '';
  if (cell.written !== text) cell.text.data = cell.written = text;
  const edge = left === 0;
  let classes = edge ? 'edge' : '';
  if (style?.right) classes += ' n';
  if (style?.mono) classes += ' mono';
  if (mayNotFit(text, width, edge)) classes += ' long';
  if (value === null || value === 0 || value === '0') classes += ' zero';
  if (cell.classes !== classes) cell.element.className = cell.classes = classes;
}
