// From a row to its bytes: where they lie, and which field each belongs to.

import type { Column, Layout, Table } from '../../api/types';

export interface Field {
  name: string;
  at: number;
  length: number;
  type: string;
  unit: string;
}

/** What of the recording a row covers. */
export interface Span {
  offset: number;
  length: number;
  fields: Field[];
}

/** Undefined where the table does not say from where its rows come. */
export function spanOf(table: Table, row: readonly unknown[]): Span | undefined {
  const value = (name: string) => row[table.columns.findIndex((c) => c.name === name)];
  const offset = Number(value('offset') ?? NaN); // null: the row is of no place
  if (!Number.isSafeInteger(offset)) return undefined;
  const rule = table.row_length;
  const varying = rule?.column ? Number(value(rule.column) ?? NaN) : 0;
  const layout = table.layouts.find((l) => fits(l, value));
  const fields = layout?.fields ?? [];
  const covered = fields.reduce((end, f) => Math.max(end, f.at + f.length), 0);
  const length = rule && Number.isFinite(varying) ? varying + rule.plus : covered;
  return { offset, length: Math.max(length, 1), fields: filled(fields, length) };
}

function fits(layout: Layout, value: (name: string) => unknown): boolean {
  return Object.entries(layout.when).every(([name, codes]) => (codes ?? []).includes(Number(value(name))));
}

/** Fields that reach beyond the row's end are cut; bytes between and behind them stay without a field. */
function filled(fields: readonly Field[], length: number): Field[] {
  return [...fields]
    .filter((f) => f.length > 0 && (length === 0 || f.at < length))
    .map((f) => (length > 0 ? { ...f, length: Math.min(f.length, length - f.at) } : f))
    .sort((a, b) => a.at - b.at);
}

/** The place in `fields` of the one a byte belongs to, counted from the row's first byte; −1: none. */
export function fieldAt(fields: readonly Field[], at: number): number {
  return fields.findIndex((f) => at >= f.at && at < f.at + f.length);
}

/**
 * The value of a field, as the row has it: in a column of its name, or of its name and a unit (`speed` in `speed_kmh`).
 * Of other fields only what needs no byte order: a single byte, a text.
 */
export function fieldColumn(field: Field, columns: readonly Column[]): number {
  const exact = columns.findIndex((c) => c.name === field.name);
  return exact >= 0 ? exact : columns.findIndex((c) => c.unit !== '' && c.name.startsWith(field.name + '_'));
}

export function rawText(field: Field, bytes: readonly number[]): string {
  if (field.type === 'utf8') return bytes.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : '·')).join('');
  if (bytes.length === 1 && field.type === 'u8') return String(bytes[0]);
  if (bytes.length === 1 && field.type === 'i8') return String(((bytes[0] ?? 0) << 24) >> 24);
  return bytes.map((b) => b.toString(16).padStart(2, '0')).join(' ');
}

export function parseHex(text: string): number[] {
  const bytes: number[] = [];
  for (let i = 0; i + 1 < text.length; i += 2) bytes.push(parseInt(text.slice(i, i + 2), 16));
  return bytes;
}

export const lineLength = 16;

/** The lines around a span that are shown: two before, enough after, no more than so many. */
export function linesAround(span: Span, size: number, most = 40): { offset: number; length: number } {
  const first = Math.max(0, Math.floor(span.offset / lineLength) - 2);
  const last = Math.min(
    Math.floor(Math.max(0, size - 1) / lineLength),
    Math.floor((span.offset + span.length - 1) / lineLength) + 4,
  );
  const lines = Math.max(1, Math.min(most, last - first + 1));
  return { offset: first * lineLength, length: lines * lineLength };
}
