// Markers of a chart: issues of the decodes that are drawn, or rows of one of their tables, each at its place along x.

import { data, type Api } from '../../api/client';
import type { Column, Issue, Table } from '../../api/types';
import type { Rule } from '../../ui/chart/types';
import { indexAt } from '../../ui/chart/scale';
import { cellStyle, kindOf } from '../../ui/grid/cells';
import { loadSeries, parseRef, xNumber, xValue, type Drawn, type Source } from './data';

/** As many as can be told apart; of more the first are shown. */
export const mostMarkers = 500;

export interface Marker {
  /** Along the recording's own axis: before it is moved to a common start. */
  x: number;
  /** Which of the sources it is of. */
  source: number;
  severity?: Issue['severity'];
  text: string;
  table: string;
  /** Number of its row in the table, from 0, where it is known. */
  row?: number;
  /** Its row in the file page. */
  href: string;
  /** Where x is but the beginning of a bucket of rows: how its own row is found. */
  rough?: Rough;
}

export interface Rough {
  by: 'seq' | 'offset';
  key: number;
  /** The least key in the bucket. */
  least: number;
  /** Its own place is in here: that of the bucket, or anywhere where x goes back and buckets hold rows of several times. */
  from: number;
  to: number;
}

export interface Markers {
  /** In the order of x. */
  list: Marker[];
  /** How many there are, those not read among them. */
  total: number;
  /** Read, but without a place along this axis. */
  unplaced: number;
}

/**
 * The column of a table that lies along the drawn x: of the same name, else of two clocks the table's own. Numbers of rows are
 * of each table alone.
 */
export function alongOf(table: Table, source: Source, x: string): Column | undefined {
  if (table.name === source.table) return table.columns.find((c) => c.name === x);
  const drawn = source.schema.columns.find((c) => c.name === x);
  if (!drawn || x === 'seq') return undefined;
  const own = table.columns.find((c) => c.name === x && kindOf(c) === kindOf(drawn));
  return own ?? (kindOf(drawn) === 'time' ? table.columns.find((c) => c.role === 'time') : undefined);
}

/** Tables whose rows can be markers. */
export const markerTables = (source: Source, x: string): Table[] =>
  source.tables.filter((t) => t.rows > 0 && t.name !== 'issues' && alongOf(t, source, x));

/** What `m` of the address means for what is drawn. */
export function markedTable(sources: readonly Source[], x: string, m: string): [Source, Table] | undefined {
  const ref = parseRef(m);
  for (const source of sources) {
    const table = source.decode === ref?.decode && markerTables(source, x).find((t) => t.name === ref.table);
    if (table) return [source, table];
  }
  return undefined;
}

export function loadMarkers(
  api: Api,
  sources: readonly Source[],
  x: string,
  m: string,
  window: readonly [number, number] | undefined,
  signal: AbortSignal,
): Promise<Markers> {
  if (m === 'issues') return ofIssues(api, sources, x, signal);
  const found = markedTable(sources, x, m);
  if (!found) return Promise.resolve({ list: [], total: 0, unplaced: 0 });
  return ofRows(api, found[0], sources.indexOf(found[0]), found[1], x, window, signal);
}

/** Columns that say best what a row is: words before numbers; not those that stand in every table. */
export function tellingColumns(table: Table, along: string): Column[] {
  const own = table.columns.filter(
    (c) => c.name !== along && !c.role && !['seq', 'offset', 'record'].includes(c.name) && kindOf(c) !== 'bytes',
  );
  const words = own.filter((c) => kindOf(c) === 'enum' || kindOf(c) === 'text');
  return [...words, ...own.filter((c) => !words.includes(c))].slice(0, 3);
}

async function ofRows(
  api: Api,
  source: Source,
  index: number,
  table: Table,
  x: string,
  window: readonly [number, number] | undefined,
  signal: AbortSignal,
): Promise<Markers> {
  const along = alongOf(table, source, x);
  if (!along) return { list: [], total: 0, unplaced: 0 };
  const telling = tellingColumns(table, along.name);
  const where = window && [
    `${along.name}:ge:${xValue(along, window[0])}`,
    `${along.name}:le:${xValue(along, window[1])}`,
  ];
  const query = {
    columns: [[along.name, ...telling.map((c) => c.name)].join(',')], // one list, while conditions are repeated
    where,
    limit: mostMarkers,
    count: true,
    row_numbers: true,
  };
  const path = { id: source.decode, table: table.name };
  const answer = await data(
    api.GET('/decodes/{id}/tables/{table}/rows', {
      params: { path, query },
      querySerializer: { array: { style: 'form', explode: true } },
      signal,
    }),
  );
  const styles = telling.map(cellStyle);
  const rows = answer.rows as unknown[][];
  const list = rows.flatMap((row, i): Marker[] => {
    if (row[0] === null) return [];
    const number = answer.row_numbers?.[i] ?? 0;
    const words = telling.flatMap((c, j) =>
      row[j + 1] === null || row[j + 1] === '' ? [] : [`${c.name} ${styles[j]?.text(row[j + 1])}`],
    );
    return [
      {
        x: xNumber(along, row[0]),
        source: index,
        text: words.join(', '),
        ...placed(source, table, number),
      },
    ];
  });
  return {
    list: list.sort((a, b) => a.x - b.x),
    total: answer.total ?? rows.length,
    unplaced: rows.length - list.length,
  };
}

/** Rows of a table by offset or by number, and where each lies. */
export interface Places {
  keys: number[];
  xs: number[];
  /** Numbers (`seq`) of the rows; none where places stand for several rows. */
  rows: (number | null)[];
  /** Within which stretch of x the rows lie of a place that stands for several. */
  within: [number, number][];
}

/** A place that stands for several rows begins with the least of them. */
export function placesBy(drawn: Drawn, key: string): Places {
  const line = drawn.lines[key];
  const keys = line?.low ?? line?.ys ?? [];
  const rows = drawn.buckets > 0 ? [] : (drawn.lines['seq']?.ys ?? []);
  const order = keys.flatMap((k, i) => (k === null ? [] : [{ k, i }])).sort((p, q) => p.k - q.k || p.i - q.i);
  const { xs } = drawn;
  const back = order.some(({ i }, n) => (line?.high?.[i] ?? -Infinity) > (order[n + 1]?.k ?? Infinity));
  const within = (i: number): [number, number] =>
    back ? [-Infinity, Infinity] : [xs[i] ?? 0, xs[i + 1] ?? 2 * (xs[i] ?? 0) - (xs[i - 1] ?? 0)];
  return {
    within: drawn.buckets > 0 ? order.map((o) => within(o.i)) : [],
    keys: order.map((o) => o.k),
    xs: order.map((o) => xs[o.i] ?? 0),
    rows: order.map((o) => rows[o.i] ?? null),
  };
}

/** The row at a key or before it; what lies before all rows counts to the first. */
export function placeAt(
  places: Places | undefined,
  key: number,
): { x: number; row: number | null; bucket?: Pick<Rough, 'least' | 'from' | 'to'> } | undefined {
  if (!places || places.keys.length === 0) return undefined;
  const i = Math.max(0, indexAt(places.keys, key));
  const [from, to] = places.within[i] ?? [];
  return {
    x: places.xs[i] ?? 0,
    row: places.rows[i] ?? null,
    ...(from === undefined || to === undefined ? {} : { bucket: { least: places.keys[i] ?? 0, from, to } }),
  };
}

async function ofIssues(api: Api, sources: readonly Source[], x: string, signal: AbortSignal): Promise<Markers> {
  // Two tables of one decode have the same issues.
  const decodes = sources.filter((s, i) => sources.findIndex((o) => o.decode === s.decode) === i);
  const all = await Promise.all(decodes.map((s) => issuesOf(api, s, sources.indexOf(s), x, signal)));
  const list = all.flatMap((m) => m.list).sort((a, b) => a.x - b.x);
  return {
    list: list.slice(0, mostMarkers),
    total: all.reduce((sum, m) => sum + m.total, 0),
    unplaced: all.reduce((sum, m) => sum + m.unplaced, 0),
  };
}

async function issuesOf(api: Api, source: Source, index: number, x: string, signal: AbortSignal): Promise<Markers> {
  const path = { id: source.decode };
  const query = { limit: mostMarkers };
  const page = await data(api.GET('/decodes/{id}/issues', { params: { path, query }, signal }));
  const has = (t: Table, key: string) => t.rows > 0 && t.columns.some((c) => c.name === key) && alongOf(t, source, x);
  const byOffset = [source.schema, ...source.tables].find((t) => t.name !== 'issues' && has(t, 'offset'));
  const named = (issue: Issue) =>
    issue.row === null ? undefined : source.tables.find((t) => t.name === issue.table && has(t, 'seq'));
  const needed = new Map<string, [Table, 'seq' | 'offset']>();
  for (const issue of page.items) {
    const table = named(issue);
    if (table) needed.set(table.name + ':seq', [table, 'seq']);
    else if (issue.offset !== null && byOffset) needed.set(byOffset.name + ':offset', [byOffset, 'offset']);
  }
  const places = new Map<string, Places>();
  await Promise.all(
    [...needed].map(async ([key, [table, by]]) => {
      const along = alongOf(table, source, x)?.name ?? x;
      const of = { ...source, table: table.name, schema: table };
      const drawn = await loadSeries(api, of, along, [...new Set([by, 'seq'])], undefined, 10_000, signal);
      places.set(key, placesBy(drawn, by));
    }),
  );
  const list = page.items.flatMap((issue): Marker[] => {
    const table = named(issue) ?? byOffset;
    if (!table) return [];
    const by = named(issue) ? ('seq' as const) : ('offset' as const);
    const key = by === 'seq' ? issue.row : issue.offset;
    if (key === null) return [];
    const place = placeAt(places.get(`${table.name}:${by}`), key);
    if (!place) return [];
    const seq = by === 'seq' ? issue.row : place.row;
    return [
      {
        x: place.x,
        source: index,
        severity: issue.severity,
        text: `${issue.code}: ${issue.message}`,
        ...(place.bucket ? { rough: { by, key, ...place.bucket } } : {}),
        ...placed(source, table, seq === null ? undefined : seq - 1, issue.offset ?? undefined),
      },
    ];
  });
  return { list, total: page.total ?? page.items.length, unplaced: page.items.length - list.length };
}

export function placed(
  source: Source,
  table: Table,
  row?: number,
  at?: number,
): Pick<Marker, 'table' | 'row' | 'href'> {
  const search = new URLSearchParams({ d: source.decode });
  if (row !== undefined) search.set('row', String(row));
  if (at !== undefined) search.set('at', String(at));
  return { table: table.name, row, href: `/files/${source.file}/${encodeURIComponent(table.name)}?${search}` };
}

const tones = { info: 'dim', warning: 'warn', error: 'bad', fatal: 'bad' } as const;

/** As lines through the chart: severity by shape and colour. */
export const markerRules = (list: readonly Marker[], shifts: readonly number[]): Rule[] =>
  list.map((m) => ({
    x: m.x - (shifts[m.source] ?? 0),
    tone: m.severity ? tones[m.severity] : 'dim',
    shape: m.severity === undefined ? 'row' : m.severity === 'fatal' ? 'error' : m.severity,
  }));

/** Those at the place nearest to the cursor, if one is within reach; of several at one place all. */
export function markersAt(
  list: readonly Marker[],
  shifts: readonly number[],
  cursor: number | null,
  reach: number,
): Marker[] {
  if (cursor === null) return [];
  const away = (m: Marker) => Math.abs(m.x - (shifts[m.source] ?? 0) - cursor);
  const least = Math.min(...list.map(away));
  return least <= reach ? list.filter((m) => away(m) === least) : [];
}
