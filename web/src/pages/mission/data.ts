// From the tables of a rail recording to what the mission page draws. Everything is kept over time and place, so that the
// page can be drawn over either.

import { data, type Api } from '../../api/client';
import type { Column } from '../../api/types';

export interface Sample {
  t: number;
  x: number;
  v: number | null;
}

export interface Permitted {
  t: number;
  x: number;
  v: number | null;
  warning: boolean;
}

export interface Group {
  t: number;
  x: number;
  country: number;
  group: number;
  /** Balises of it that were read, and how many it has. */
  read: number;
  of: number;
  packets: string;
  v: number | null;
  /** It has a number of its own; otherwise it is a group of unknown number. */
  known: boolean;
}

export interface Stretch {
  t: number;
  x: number;
  toT: number;
  toX: number;
}

export interface Stop extends Stretch {
  station: number | null;
}

export interface RailEvent {
  t: number;
  x: number;
  kind: 'eb' | 'sb' | 'warning' | 'mode' | 'message' | 'failure';
  text: string;
  /** Seconds, of what lasts. */
  lasts?: number;
}

/** A value that holds from a place on. */
export interface Level {
  x: number;
  to: number;
  value: number;
}

export interface Mission {
  /** The files it is put together of do not follow each other: they are not one run. */
  overlap: boolean;
  /** It has more rows than are read. */
  cut: boolean;
  samples: Sample[];
  permitted: Permitted[];
  lineSpeed: Level[];
  gradient: Level[];
  groups: Group[];
  telegrams: number;
  stops: Stop[];
  eb: Stretch[];
  sb: Stretch[];
  warnings: Stretch[];
  events: RailEvent[];
  summary: Record<string, unknown>;
  start: number;
  end: number;
  naive: boolean;
}

/** A decode of a recording, or a batch of them that follow each other. */
export type Origin = { decode: string } | { batch: string };

type Row = Record<string, unknown>;
type Named = { name: string; rows: number; columns: readonly Column[]; conflicts?: readonly string[] };
const page = 10_000;
const mostPages = 60;

class Reader {
  cut = false;
  /** Files of a batch in the order of their time; a batch may have them in any. */
  private order = new Map<unknown, number>();

  constructor(
    private readonly api: Api,
    private readonly origin: Origin,
    private readonly tables: readonly Named[],
    private readonly signal: AbortSignal,
  ) {}

  /** Reads a whole table by pages; one that is not there has no rows. */
  async rows(name: string, wanted: readonly string[]): Promise<Row[]> {
    const table = this.tables.find((t) => t.name === name);
    if (!table || table.rows === 0) return [];
    const columns = ['file', ...wanted].filter(
      (c) => table.columns.some((x) => x.name === c) && !table.conflicts?.includes(c),
    );
    const rows: Row[] = [];
    let cursor: string | undefined;
    for (let i = 0; i < mostPages; i++) {
      const answer = await data(this.page(name, { columns, limit: page, cursor }));
      for (const r of answer.rows as unknown[][])
        rows.push(Object.fromEntries(answer.columns.map((c, j) => [c, r[j]])));
      if (!answer.next_cursor) return rows;
      cursor = answer.next_cursor;
    }
    this.cut = true;
    return rows;
  }

  private page(table: string, query: { columns: string[]; limit: number; cursor?: string }) {
    const more = { querySerializer: { array: { style: 'form', explode: false } }, signal: this.signal } as const;
    return 'decode' in this.origin
      ? this.api.GET('/decodes/{id}/tables/{table}/rows', {
          params: { path: { id: this.origin.decode, table }, query },
          ...more,
        })
      : this.api.GET('/batches/{id}/tables/{table}/rows', {
          params: { path: { id: this.origin.batch, table }, query },
          ...more,
        });
  }

  /** Learns the order of the files; false: some of them are of the same time. */
  follow(records: readonly Row[]): boolean {
    const spans = spansOf(records);
    this.order = new Map(spans.map((s, i) => [s.file, i]));
    return spans.every((s, i) => i === 0 || s.from >= (spans[i - 1]?.to ?? 0));
  }

  sorted(rows: Row[]): Row[] {
    if (this.order.size < 2) return rows;
    const place = (r: Row) => this.order.get(r['file']) ?? 0;
    return rows.sort((p, q) => place(p) - place(q));
  }
}

/** From when to when each file was recorded, in the order of time. */
export function spansOf(records: readonly Row[]): { file: unknown; from: number; to: number }[] {
  const spans = new Map<unknown, { file: unknown; from: number; to: number }>();
  for (const r of records) {
    if (!placed(r)) continue;
    const t = seconds(r['time']);
    const file = r['file'];
    const span = spans.get(file);
    if (!span) spans.set(file, { file, from: t, to: t });
    else [span.from, span.to] = [Math.min(span.from, t), Math.max(span.to, t)];
  }
  return [...spans.values()].sort((p, q) => p.from - q.from);
}

/** Seconds of Unix time; a naive clock counts as UTC, an instant is shifted to the browser's zone so that it reads as such. */
export function seconds(value: unknown): number {
  const text = String(value);
  const naive = !text.endsWith('Z');
  const ms = Date.parse(naive ? text.slice(0, 23) + 'Z' : text);
  return naive ? ms / 1000 : ms / 1000 - new Date(ms).getTimezoneOffset() * 60;
}

const number = (v: unknown): number | null => (typeof v === 'number' ? v : null);

export async function loadMission(api: Api, origin: Origin, signal: AbortSignal): Promise<Mission | undefined> {
  const tables: readonly Named[] =
    'decode' in origin
      ? await data(api.GET('/decodes/{id}/tables', { params: { path: { id: origin.decode } }, signal }))
      : await data(api.GET('/batches/{id}/tables', { params: { path: { id: origin.batch } }, signal }));
  if (!tables.some((t) => t.name === 'records')) return undefined;
  const reader = new Reader(api, origin, tables, signal);
  const place = ['time', 'location_m', 'speed_kmh'] as const;
  const read = await Promise.all([
    reader.rows('records', place),
    reader.rows('mmi_dynamic', [...place, 'v_permitted', 'm_warning']),
    reader.rows('track_description', ['record', 'location_m', 'kind', 'position_m', 'v_mrsp', 'g_gradient']),
    reader.rows('telegrams', [...place, 'nid_c', 'nid_bg', 'n_total', 'n_pig', 'packets']),
    reader.rows('mmi_status', [...place, 'eb', 'sb', 'mode_name', 'level_name']),
    reader.rows('driver_messages', [...place, 'kind', 'i_text']),
    reader.rows('failures', [...place, 'origin', 'i_failure_number']),
    reader.rows('stops', ['time_from', 'time_to', 'location_m', 'station_id']),
    reader.rows('mission', ['distance_m', 'mean_speed_kmh', 'records']),
  ]);
  const follows = reader.follow(read[0]);
  const [records, dynamic, track, telegrams, status, messages, failures, stops, mission] = read.map((rows) =>
    reader.sorted(rows),
  ) as typeof read;
  const samples = samplesOf(records);
  const end = samples.at(-1)?.t ?? 0;
  const endX = samples.at(-1)?.x ?? 0;
  const permitted = dynamic
    .filter(placed)
    .map((r): Permitted => ({ ...at(r), v: number(r['v_permitted']), warning: (number(r['m_warning']) ?? 0) > 0 }));
  const statuses = status.filter(placed);
  const eb = stretches(statuses, (r) => (number(r['eb']) ?? 0) > 0, end, endX);
  const sb = stretches(statuses, (r) => (number(r['sb']) ?? 0) > 0, end, endX);
  const warnings = stretches(dynamic.filter(placed), (r) => (number(r['m_warning']) ?? 0) > 0, end, endX);
  return {
    overlap: !follows,
    cut: reader.cut,
    samples,
    permitted,
    lineSpeed: profile(track, 'mrsp', 'v_mrsp', endX),
    gradient: profile(track, 'gradient', 'g_gradient', endX),
    groups: groupsOf(telegrams.filter(placed)),
    telegrams: telegrams.length,
    stops: stopsOf(stops),
    eb,
    sb,
    warnings,
    events: eventsOf(statuses, messages.filter(placed), failures.filter(placed), eb, sb, warnings),
    summary: summaryOf(mission),
    start: samples[0]?.t ?? 0,
    end,
    naive: tables.some((t) => t.columns.some((c) => c.role === 'time' && c.naive)),
  };
}

const placed = (r: Row) => r['time'] !== null && r['location_m'] !== null && r['location_m'] !== undefined;
const at = (r: Row) => ({ t: seconds(r['time']), x: Number(r['location_m']) });

/**
 * One sample a second is enough to draw: the fastest, with the place where it was, so that no peak is lost or moved. The first
 * and the last of all are kept too: they say from where to where the run goes.
 */
export function samplesOf(records: readonly Row[]): Sample[] {
  const out: Sample[] = [];
  let end: Sample | undefined;
  for (const r of records) {
    if (!placed(r)) continue;
    const s: Sample = { ...at(r), v: number(r['speed_kmh']) };
    const last = out.at(-1);
    if (last && s.t < last.t) continue; // a clock that was set back is not drawn backwards
    end = s;
    if (last?.t !== s.t || out.length === 1) out.push(s);
    else if ((s.v ?? -1) > (last.v ?? -1)) out[out.length - 1] = s;
  }
  if (end && end.x !== out.at(-1)?.x) out.push(end);
  return out;
}

const joined = 10; // seconds between two files in which a train that stands goes on standing
const near = 5; // metres

/** Standstills; one that reaches from one file into the next is one. */
export function stopsOf(rows: readonly Row[]): Stop[] {
  const out: Stop[] = [];
  for (const r of rows) {
    if (r['location_m'] === null || !r['time_from']) continue;
    const x = Number(r['location_m']);
    const stop = {
      t: seconds(r['time_from']),
      toT: seconds(r['time_to']),
      x,
      toX: x,
      station: number(r['station_id']),
    };
    const last = out.at(-1);
    if (last && stop.t >= last.toT && stop.t - last.toT <= joined && Math.abs(x - last.x) <= near) {
      last.toT = stop.toT;
      last.station ??= stop.station;
    } else out.push(stop);
  }
  return out;
}

/** What the decoder says of the run; of several files what can be added, the rest is calculated from the samples. */
function summaryOf(rows: readonly Row[]): Record<string, unknown> {
  if (rows.length <= 1) return rows[0] ?? {};
  const sum = (name: string) => rows.reduce((total, r) => total + (number(r[name]) ?? 0), 0);
  return { records: sum('records') };
}

/** From the row in which something begins to the one in which it is over, or to the end. */
export function stretches(rows: readonly Row[], holds: (r: Row) => boolean, end: number, endX: number): Stretch[] {
  const out: Stretch[] = [];
  let open: Stretch | undefined;
  for (const r of rows) {
    const here = at(r);
    if (holds(r)) {
      open ??= { ...here, toT: here.t, toX: here.x };
    } else if (open) {
      out.push({ ...open, toT: here.t, toX: here.x });
      open = undefined;
    }
  }
  if (open) out.push({ ...open, toT: end, toX: endX });
  return out;
}

/**
 * What the track descriptions together say of the way: each describes what lies ahead of where it was received, and replaces
 * what was said of it before.
 */
export function profile(rows: readonly Row[], kind: string, column: string, end: number): Level[] {
  let levels: { x: number; value: number }[] = [];
  let i = 0;
  while (i < rows.length) {
    const [record, file] = [rows[i]?.['record'], rows[i]?.['file']];
    const here = Number(rows[i]?.['location_m'] ?? 0);
    const elements: { x: number; value: number }[] = [];
    for (; i < rows.length && rows[i]?.['record'] === record && rows[i]?.['file'] === file; i++) {
      const r = rows[i] as Row;
      const value = number(r[column]);
      const x = number(r['position_m']);
      if (r['kind'] === kind && value !== null && x !== null) elements.push({ x, value });
    }
    if (elements.length === 0) continue;
    elements.sort((a, b) => a.x - b.x);
    const holding = elements.filter((e) => e.x <= here).at(-1);
    levels = levels.filter((l) => l.x < here);
    if (holding && levels.at(-1)?.value !== holding.value) levels.push({ x: here, value: holding.value });
    for (const e of elements) if (e.x > here) levels.push(e);
  }
  return levels
    .map((l, j) => ({ x: l.x, to: levels[j + 1]?.x ?? Math.max(end, l.x), value: l.value }))
    .filter((l) => l.to > l.x && l.x <= end)
    .map((l) => ({ ...l, to: Math.min(l.to, end) }));
}

const unknownGroups = 16_380; // NID_BG from here on has no number of its own

/** Telegrams of the same group, one after the other, are one passage of it. */
export function groupsOf(rows: readonly Row[]): Group[] {
  const out: Group[] = [];
  let seen = new Set<unknown>();
  for (const r of rows) {
    const here = at(r);
    const country = number(r['nid_c']) ?? 0;
    const group = number(r['nid_bg']) ?? 0;
    const last = out.at(-1);
    if (last && last.country === country && last.group === group && Math.abs(here.x - last.x) < 200) {
      seen.add(r['n_pig']);
      last.read = seen.size;
      if (!last.packets) last.packets = String(r['packets'] ?? '');
      continue;
    }
    seen = new Set([r['n_pig']]);
    out.push({
      ...here,
      country,
      group,
      read: 1,
      of: (number(r['n_total']) ?? 0) + 1,
      packets: String(r['packets'] ?? ''),
      v: number(r['speed_kmh']),
      known: group < unknownGroups,
    });
  }
  return out;
}

function eventsOf(
  status: readonly Row[],
  messages: readonly Row[],
  failures: readonly Row[],
  eb: readonly Stretch[],
  sb: readonly Stretch[],
  warnings: readonly Stretch[],
): RailEvent[] {
  const out: RailEvent[] = [];
  const lasting = (list: readonly Stretch[], kind: RailEvent['kind']) => {
    for (const s of list) out.push({ t: s.t, x: s.x, kind, text: '', lasts: s.toT - s.t });
  };
  lasting(eb, 'eb');
  lasting(sb, 'sb');
  lasting(warnings, 'warning');
  let mode = '';
  for (const r of status) {
    const next = [r['mode_name'], r['level_name']].filter(Boolean).join(', ');
    if (next && next !== mode) out.push({ ...at(r), kind: 'mode', text: next });
    mode = next || mode;
  }
  for (const r of messages)
    if (r['kind'] === 'message') out.push({ ...at(r), kind: 'message', text: String(r['i_text'] ?? '') });
  for (const r of failures)
    out.push({
      ...at(r),
      kind: 'failure',
      text: [r['origin'], r['i_failure_number']].filter((x) => x !== null).join(' '),
    });
  return out.sort((a, b) => a.t - b.t);
}

/** The known group nearest to a place. */
export function nearestGroup(groups: readonly Group[], x: number): Group | undefined {
  let best: Group | undefined;
  for (const g of groups) if (g.known && (!best || Math.abs(g.x - x) < Math.abs(best.x - x))) best = g;
  return best;
}
