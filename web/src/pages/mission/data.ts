// From the tables of a rail recording to what the mission page draws. Everything is kept over time and place, so that the
// page can be drawn over either.

import { data, type Api } from '../../api/client';
import type { Table } from '../../api/types';

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

type Row = Record<string, unknown>;
const page = 10_000;
const mostPages = 30;

/** Reads whole tables by pages; a table that is not there has no rows. */
async function rowsOf(
  api: Api,
  decode: string,
  tables: readonly Table[],
  name: string,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<Row[]> {
  const table = tables.find((t) => t.name === name);
  if (!table || table.rows === 0) return [];
  const columns = wanted.filter((c) => table.columns.some((x) => x.name === c));
  const rows: Row[] = [];
  let cursor: string | undefined;
  for (let i = 0; i < mostPages; i++) {
    const answer = await data(
      api.GET('/decodes/{id}/tables/{table}/rows', {
        params: { path: { id: decode, table: name }, query: { columns, limit: page, cursor } },
        querySerializer: { array: { style: 'form', explode: false } },
        signal,
      }),
    );
    for (const r of answer.rows as unknown[][]) rows.push(Object.fromEntries(answer.columns.map((c, j) => [c, r[j]])));
    if (!answer.next_cursor) return rows;
    cursor = answer.next_cursor;
  }
  return rows;
}

/** Seconds of Unix time; a naive clock counts as UTC, an instant is shifted to the browser's zone so that it reads as such. */
export function seconds(value: unknown): number {
  const text = String(value);
  const naive = !text.endsWith('Z');
  const ms = Date.parse(naive ? text.slice(0, 23) + 'Z' : text);
  return naive ? ms / 1000 : ms / 1000 - new Date(ms).getTimezoneOffset() * 60;
}

const number = (v: unknown): number | null => (typeof v === 'number' ? v : null);

export async function loadMission(api: Api, decode: string, signal: AbortSignal): Promise<Mission> {
  const tables = await data(api.GET('/decodes/{id}/tables', { params: { path: { id: decode } }, signal }));
  const read = (name: string, columns: readonly string[]) => rowsOf(api, decode, tables, name, columns, signal);
  const place = ['time', 'location_m', 'speed_kmh'] as const;
  const [records, dynamic, track, telegrams, status, messages, failures, stops, mission] = await Promise.all([
    read('records', place),
    read('mmi_dynamic', [...place, 'v_permitted', 'm_warning']),
    read('track_description', ['record', 'location_m', 'kind', 'position_m', 'v_mrsp', 'g_gradient']),
    read('telegrams', [...place, 'nid_c', 'nid_bg', 'n_total', 'n_pig', 'packets']),
    read('mmi_status', [...place, 'eb', 'sb', 'mode_name', 'level_name']),
    read('driver_messages', [...place, 'kind', 'i_text']),
    read('failures', [...place, 'origin', 'i_failure_number']),
    read('stops', ['time_from', 'time_to', 'location_m', 'station_id']),
    read('mission', [
      'distance_m',
      'max_speed_kmh',
      'mean_speed_kmh',
      'eb_count',
      'sb_count',
      'balise_groups',
      'telegrams',
      'station_stops',
      'records',
    ]),
  ]);
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
    samples,
    permitted,
    lineSpeed: profile(track, 'mrsp', 'v_mrsp', endX),
    gradient: profile(track, 'gradient', 'g_gradient', endX),
    groups: groupsOf(telegrams.filter(placed)),
    telegrams: telegrams.length,
    stops: stops
      .filter((r) => r['location_m'] !== null && r['time_from'])
      .map((r) => ({
        t: seconds(r['time_from']),
        toT: seconds(r['time_to']),
        x: Number(r['location_m']),
        toX: Number(r['location_m']),
        station: number(r['station_id']),
      })),
    eb,
    sb,
    warnings,
    events: eventsOf(statuses, messages.filter(placed), failures.filter(placed), eb, sb, warnings),
    summary: mission[0] ?? {},
    start: samples[0]?.t ?? 0,
    end,
    naive: tables.some((t) => t.columns.some((c) => c.role === 'time' && c.naive)),
  };
}

const placed = (r: Row) => r['time'] !== null && r['location_m'] !== null && r['location_m'] !== undefined;
const at = (r: Row) => ({ t: seconds(r['time']), x: Number(r['location_m']) });

/** One sample a second is enough to draw: of equal times the last counts. */
function samplesOf(records: readonly Row[]): Sample[] {
  const out: Sample[] = [];
  for (const r of records) {
    if (!placed(r)) continue;
    const s: Sample = { ...at(r), v: number(r['speed_kmh']) };
    const last = out.at(-1);
    if (last && s.t < last.t) continue; // a clock that was set back is not drawn backwards
    if (last && last.t === s.t) {
      // The largest speed of a second is kept: no peak is lost.
      out[out.length - 1] = {
        ...s,
        v: Math.max(s.v ?? -1, last.v ?? -1) >= 0 ? Math.max(s.v ?? -1, last.v ?? -1) : null,
      };
    } else out.push(s);
  }
  return out;
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
    const record = rows[i]?.['record'];
    const here = Number(rows[i]?.['location_m'] ?? 0);
    const elements: { x: number; value: number }[] = [];
    for (; i < rows.length && rows[i]?.['record'] === record; i++) {
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
