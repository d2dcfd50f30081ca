// Positions of a recording as points in a plane, in metres.

import type { Column, Table } from '../../api/types';
import { kindOf } from '../../ui/grid/cells';

export interface Places {
  /** `map`: latitude and longitude; `line`: the way along a line, drawn over time. */
  kind: 'map' | 'line';
  columns: readonly [string, string] | readonly [string];
}

const latitude = /^(lat|latitude|lat_deg|gps_lat|breite)$/i;
const longitude = /^(lon|lng|long|longitude|lon_deg|gps_lon|laenge)$/i;

export function placesOf(table: Table): Places | undefined {
  const numeric = table.columns.filter((c) => kindOf(c) === 'number');
  const role = (r: string) => numeric.find((c) => c.role === r)?.name;
  const lat = role('latitude') ?? numeric.find((c) => latitude.test(c.name))?.name;
  const lon = role('longitude') ?? numeric.find((c) => longitude.test(c.name))?.name;
  if (lat && lon) return { kind: 'map', columns: [lat, lon] };
  const position = role('position');
  return position ? { kind: 'line', columns: [position] } : undefined;
}

export const colourColumns = (table: Table): Column[] =>
  table.columns.filter((c) => kindOf(c) === 'number' && c.name !== 'seq');

export interface Point {
  t: number;
  x: number;
  y: number;
  value: number | null;
}

const earth = 6_371_008.8; // m, mean radius (IUGG)

const rad = Math.PI / 180;

/** The middle of a recording, in degrees. */
export interface Frame {
  lat: number;
  lon: number;
}

export function frameOf(lat: readonly (number | null)[], lon: readonly (number | null)[]): Frame | undefined {
  const known = lat
    .map((v, i) => [v, lon[i]] as const)
    .filter((p): p is readonly [number, number] => isPlace(p[0], p[1] ?? null));
  if (known.length === 0) return undefined;
  const middle = (at: 0 | 1) => (Math.min(...spread(known, at)) + Math.max(...spread(known, at))) / 2;
  return { lat: middle(0), lon: middle(1) };
}

/** Metres east and south of the middle; true to scale near it, which is what a recording covers. */
export function project(
  lat: readonly (number | null)[],
  lon: readonly (number | null)[],
  frame = frameOf(lat, lon),
): ({ x: number; y: number } | null)[] {
  return lat.map((v, i) => {
    const w = lon[i] ?? null;
    if (!frame || !isPlace(v, w)) return null;
    return { x: (w! - frame.lon) * rad * earth * Math.cos(frame.lat * rad), y: -(v! - frame.lat) * rad * earth };
  });
}

/** Back from metres to degrees. */
export const degreesOf = (frame: Frame, p: { x: number; y: number }): Frame => ({
  lat: frame.lat - p.y / rad / earth,
  lon: frame.lon + p.x / rad / earth / Math.cos(frame.lat * rad),
});

/** 0, 0 is what receivers without a fix say. */
function isPlace(lat: number | null, lon: number | null): boolean {
  return lat !== null && lon !== null && Math.abs(lat) <= 90 && Math.abs(lon) <= 180 && (lat !== 0 || lon !== 0);
}

function* spread(list: readonly (readonly [number, number])[], at: 0 | 1): Generator<number> {
  // Of very many the arguments of Math.min would be too many: every so many-th is enough for a middle.
  const step = Math.max(1, Math.floor(list.length / 5000));
  for (let i = 0; i < list.length; i += step) yield list[i]![at];
}

export const shades = 7;

/** The shade of a value within the range of all: 0 to 6; −1: none. */
export function shade(value: number | null, low: number, high: number): number {
  if (value === null || !Number.isFinite(value)) return -1;
  if (!(high > low)) return 0;
  return Math.max(0, Math.min(shades - 1, Math.floor(((value - low) / (high - low)) * shades)));
}

/** Stretches of points of one shade as paths; a gap in place ends one. */
export function pathsOf(points: readonly (Point | null)[], low: number, high: number): { d: string; shade: number }[] {
  const paths: string[][] = Array.from({ length: shades + 1 }, () => []);
  let before: Point | null = null;
  let current = -2;
  for (const p of points) {
    if (!p) {
      before = null;
      current = -2;
      continue;
    }
    const s = shade(p.value, low, high);
    const bucket = paths[s + 1]!;
    if (before && s === current) bucket.push(`L${p.x.toFixed(1)} ${p.y.toFixed(1)}`);
    else if (before) bucket.push(`M${before.x.toFixed(1)} ${before.y.toFixed(1)}L${p.x.toFixed(1)} ${p.y.toFixed(1)}`);
    else bucket.push(`M${p.x.toFixed(1)} ${p.y.toFixed(1)}`);
    current = s;
    before = p;
  }
  return paths.map((list, i) => ({ d: list.join(''), shade: i - 1 })).filter((p) => p.d !== '');
}

/** A round length for the scale bar of at most so many metres. */
export function barLength(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1e-6, most)));
  for (const k of [5, 2, 1]) if (k * power <= most) return k * power;
  return power;
}

/** What is seen: the middle of it, in metres, and how much it is magnified. */
export interface View {
  x: number;
  y: number;
  z: number;
}

/** Pixels from the middle of the page's part; as a scale, pixels a unit of each direction. */
export interface Spot {
  x: number;
  y: number;
}

export const mostZoom = 10_000;

/**
 * The view after what lay under one spot has come to lie under another, `k` times as large: a drag, a turn of the wheel and
 * two fingers are all that.
 */
export function movedView(v: View, from: Spot, to: Spot, k: number, scale: Spot): View {
  const z = Math.max(1, Math.min(mostZoom, v.z * k));
  return {
    z,
    x: v.x + from.x / (scale.x * v.z) - to.x / (scale.x * z),
    y: v.y + from.y / (scale.y * v.z) - to.y / (scale.y * z),
  };
}

/** Of one finger or two: the middle, and how far they are apart. */
export function gripOf(fingers: readonly Spot[]): Spot & { span: number } {
  const [p = { x: 0, y: 0 }, q = p] = fingers;
  return { x: (p.x + q.x) / 2, y: (p.y + q.y) / 2, span: p === q ? 1 : Math.max(20, Math.hypot(p.x - q.x, p.y - q.y)) };
}
