import type { Column } from '../../api/types';

/** A question to a table: filters as the API has them (`column:op:value`), an order, a text. */
export interface GridQuery {
  where: readonly string[];
  sort?: { column: string; descending: boolean };
  q?: string;
}

export interface GridWindow {
  rows: readonly (readonly unknown[])[];
  /** Of each row its number in the whole table. */
  numbers: readonly number[];
  /** Rows that match. */
  total: number | null;
}

/** Where a grid's rows come from. */
export interface GridSource {
  /** What widths and columns are kept under in this browser. */
  key: string;
  columns: readonly Column[];
  /** Rows without filters, if that is known. */
  rows: number | null;
  /** Sorting is not for every table. */
  sortable: boolean;
  /** Sensitive values come as they are, not hidden. */
  revealed?: boolean;
  window(query: GridQuery, offset: number, limit: number, signal: AbortSignal): Promise<GridWindow>;
  /** Where the row with that number stands among those that match. */
  position?(query: GridQuery, row: number, signal: AbortSignal): Promise<{ offset: number; found: boolean }>;
}
