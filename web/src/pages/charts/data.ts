// From the address to lines: which table of which decode, over what, and how values become places on a chart.

import { data, type Api } from '../../api/client';
import type { Column, Table } from '../../api/types';
import { kindOf, unitText } from '../../ui/grid/cells';
import type { LineSeries } from '../../ui/chart/types';
import { seconds } from '../mission/data';

/** `d0000000001.records` */
export interface SourceRef {
  decode: string;
  table: string;
}

export function parseRef(text: string): SourceRef | undefined {
  const at = text.indexOf('.');
  return at > 0 && at < text.length - 1 ? { decode: text.slice(0, at), table: text.slice(at + 1) } : undefined;
}

export interface Source extends SourceRef {
  /** Its recording: id and name. */
  file: string;
  name: string;
  schema: Table;
  /** All of the decode. */
  tables: Table[];
  /** What of it the address has said. */
  ref: string;
}

export async function loadSource(api: Api, ref: string, signal: AbortSignal): Promise<Source | undefined> {
  const parsed = parseRef(ref);
  if (!parsed) return undefined;
  const path = { id: parsed.decode };
  const [decode, tables] = await Promise.all([
    data(api.GET('/decodes/{id}', { params: { path }, signal })),
    data(api.GET('/decodes/{id}/tables', { params: { path }, signal })),
  ]);
  const schema = tables.find((t) => t.name === parsed.table);
  if (!schema) return undefined;
  const file = await data(api.GET('/files/{id}', { params: { path: { id: decode.file_id } }, signal })).catch(
    () => undefined,
  );
  return { ...parsed, ref, schema, tables, file: decode.file_id, name: file?.name ?? decode.file_id };
}

/** Columns that can be drawn along. */
export const xColumns = (t: Table) =>
  t.columns.filter((c) => ['number', 'time'].includes(kindOf(c)) && !/^f/.test(c.type));
/** Columns that can be drawn. */
export const yColumns = (t: Table) =>
  t.columns.filter((c) => ['number', 'bool', 'enum'].includes(kindOf(c)) && c.name !== 'seq');

export function defaultX(t: Table): string {
  return (
    (t.columns.find((c) => c.role === 'time') ?? t.columns.find((c) => c.name === 'seq') ?? xColumns(t)[0])?.name ?? ''
  );
}

export function defaultY(t: Table): string[] {
  for (const role of ['speed', 'value', 'position']) {
    const named = t.columns.filter((c) => c.role === role).map((c) => c.name);
    if (named.length > 0) return named.slice(0, 4);
  }
  return yColumns(t)
    .filter((c) => kindOf(c) === 'number')
    .slice(0, 1)
    .map((c) => c.name);
}

export const xNumber = (column: Column, v: unknown): number => (kindOf(column) === 'time' ? seconds(v) : Number(v));

/** Back from a place to a value that the API reads. */
export function xValue(column: Column, x: number): string {
  if (kindOf(column) !== 'time') return String(Number(x.toPrecision(15)));
  if (column.naive) return new Date(x * 1000).toISOString().replace('Z', '');
  const shifted = new Date(x * 1000);
  return new Date(x * 1000 + shifted.getTimezoneOffset() * 60_000).toISOString();
}

export interface Drawn {
  xs: number[];
  /** By column. */
  lines: Record<string, { ys: (number | null)[]; low?: (number | null)[]; high?: (number | null)[] }>;
  states: Record<string, (string | null)[]>;
  rows: number;
  buckets: number;
}

export async function loadSeries(
  api: Api,
  source: Source,
  x: string,
  ys: readonly string[],
  window: readonly [number, number] | undefined,
  points: number,
  signal: AbortSignal,
): Promise<Drawn> {
  const column = source.schema.columns.find((c) => c.name === x);
  const wanted = ys.filter((y) => source.schema.columns.some((c) => c.name === y));
  if (!column || wanted.length === 0) return { xs: [], lines: {}, states: {}, rows: 0, buckets: 0 };
  const answer = await data(
    api.GET('/decodes/{id}/tables/{table}/series', {
      params: {
        path: { id: source.decode, table: source.table },
        query: {
          x,
          y: [...wanted],
          points,
          from: window && xValue(column, window[0]),
          to: window && xValue(column, window[1]),
        },
      },
      querySerializer: { array: { style: 'form', explode: false } },
      signal,
    }),
  );
  const xs = answer.x.map((v) => xNumber(column, v));
  const drawn: Drawn = { xs, lines: {}, states: {}, rows: answer.rows, buckets: answer.buckets };
  for (const s of answer.series) {
    const kind = kindOf(source.schema.columns.find((c) => c.name === s.name) ?? column);
    if (kind === 'enum') {
      drawn.states[s.name] = (s.last as unknown[]).map((v) => (v === null ? null : String(v)));
      continue;
    }
    const numbers = (list: unknown): (number | null)[] =>
      (list as unknown[]).map((v) => (v === null ? null : Number(v)));
    const line = { ys: numbers(s.last), low: numbers(s.min), high: numbers(s.max) };
    drawn.lines[s.name] = answer.buckets > 0 ? line : { ys: line.ys };
  }
  return drawn;
}

/** Neighbours of the same word become one stretch. */
export function stretchesOf(
  xs: readonly number[],
  words: readonly (string | null)[],
  shift: number,
): { x: number; to: number; text: string }[] {
  const out: { x: number; to: number; text: string }[] = [];
  let last: { x: number; to: number; text: string } | undefined;
  for (const [i, word] of words.entries()) {
    const x = (xs[i] ?? 0) - shift;
    if (last) last.to = x;
    if (word === null) continue;
    if (last?.text === word) continue;
    last = { x, to: x, text: word };
    out.push(last);
  }
  if (last) last.to = (xs.at(-1) ?? last.x) - shift;
  return out.filter((s) => s.to > s.x);
}

export function seriesOf(
  source: Source,
  drawn: Drawn,
  name: string,
  color: number,
  shift: number,
  label: string,
): LineSeries {
  const line = drawn.lines[name];
  const column = source.schema.columns.find((c) => c.name === name);
  const shifted = (xs: readonly number[]) => (shift === 0 ? xs : xs.map((x) => x - shift));
  return {
    key: source.ref + ':' + name,
    label,
    color,
    xs: line ? shifted(drawn.xs) : [],
    ys: line?.ys ?? [],
    low: line?.low,
    high: line?.high,
    step: column ? kindOf(column) === 'bool' || /^[iu]8$/.test(column.type) : false,
  };
}

export const unitOf = (source: Source, name: string) =>
  unitText(source.schema.columns.find((c) => c.name === name)?.unit ?? '');

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** What is drawn of a stretch as CSV: one line a point and recording. */
export function csvText(
  sources: readonly Source[],
  drawn: readonly Drawn[],
  shifts: readonly number[],
  [from, to]: readonly [number, number],
  ys: readonly string[],
  head: string,
  placeText: (x: number) => string,
): string {
  const rows = [['recording', head, ...ys]];
  for (const [i, source] of sources.entries()) {
    const d = drawn[i];
    for (const [j, at] of (d?.xs ?? []).entries()) {
      const place = at - (shifts[i] ?? 0);
      if (place < from || place > to) continue;
      const values = ys.map((y) => String(d?.lines[y]?.ys[j] ?? d?.states[y]?.[j] ?? ''));
      rows.push([source.name, placeText(place), ...values]);
    }
  }
  return rows.map((row) => row.map(quoted).join(',') + '\n').join('');
}

/** Names beside lines are short of room: what all of them begin with is left out, up to a border within them. */
export function shortNames(names: readonly string[]): string[] {
  const [one = ''] = names;
  let same = 0;
  while (same < one.length && names.every((n) => n[same] === one[same])) same++;
  const cut = one.slice(0, same).search(/[ _.-][^ _.-]*$/) + 1;
  return new Set(names).size > 1 && cut > 4 && names.every((n) => n.length > cut)
    ? names.map((n) => '…' + n.slice(cut))
    : [...names];
}
