// Ticks, windows and values at a place: what charts calculate.

import { num } from '../../lib/format';
import type { Axis, LineLane, LineSeries, Window } from './types';

/** A step of 1, 2 or 5 times a power of ten that makes about so many ticks. */
export function niceStep(range: number, ticks: number): number {
  if (!(range > 0)) return 1;
  const rough = range / Math.max(1, ticks);
  const power = 10 ** Math.floor(Math.log10(rough));
  const k = rough / power;
  return power * (k < 1.5 ? 1 : k < 3.5 ? 2 : k < 7.5 ? 5 : 10);
}

const timeSteps = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
  10800, 21600, 43200, 86400, 172800, 604800, 2592000,
];

export function timeStep(range: number, ticks: number): number {
  return (
    timeSteps.find((s) => range / s <= ticks) ?? timeSteps[timeSteps.length - 1]! * Math.ceil(range / 2592000 / ticks)
  );
}

export interface Tick {
  x: number;
  text: string;
}

export function ticksOf(axis: Axis, [a, b]: Window, ticks: number): Tick[] {
  const range = b - a;
  if (!(range > 0)) return [];
  const step = axis.kind === 'time' ? timeStep(range, ticks) : niceStep(range, ticks);
  const out: Tick[] = [];
  for (let i = Math.ceil(a / step); i * step <= b && out.length < 200; i++) {
    const x = i * step;
    out.push({ x, text: axisText(axis, x, step, range) });
  }
  return out;
}

const two = (n: number) => String(Math.floor(n)).padStart(2, '0');

/** Seconds of Unix time as a clock reads them in UTC: naive clocks are kept so, instants are shifted to the browser's zone before. */
export function clockText(seconds: number, step = 1): string {
  const digits = step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step)));
  const scale = 10 ** digits;
  const total = Math.round(seconds * scale);
  const day = ((total % (86400 * scale)) + 86400 * scale) % (86400 * scale);
  const s = Math.floor(day / scale);
  const rest = digits > 0 ? '.' + String(day % scale).padStart(digits, '0') : '';
  return `${two(s / 3600)}:${two((s % 3600) / 60)}:${two(s % 60)}${rest}`;
}

export function dateText(seconds: number): string {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString().slice(0, 10);
}

/** A length of time as a watch shows it; hours go on past 24. */
export function lengthText(seconds: number, step = 1): string {
  const text = clockText(Math.abs(seconds), step);
  const hours = Math.floor((Math.round(Math.abs(seconds) / step) * step) / 3600);
  return (seconds < 0 ? '−' : '') + String(hours).padStart(2, '0') + text.slice(2);
}

const day = 86400;
/** Some of it is of another day, so that a time alone does not tell which. */
const manyDays = (axis: Axis) => Math.floor(axis.full[0] / day) !== Math.floor(axis.full[1] / day);

function axisText(axis: Axis, x: number, step: number, range: number): string {
  if (axis.kind === 'time') {
    const short = (text: string) => (step >= 60 && range > 600 ? text.replace(/^(\d+:\d\d):\d\d$/, '$1') : text);
    if (axis.elapsed) return short(lengthText(x, Math.min(1, step)));
    if (step >= day || (x % day === 0 && manyDays(axis))) return dateText(x);
    return short(clockText(x, step));
  }
  if (axis.kind === 'distance') return num(x / 1000, step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3);
  return num(x, step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step))));
}

/** The value of x, as exact as a stretch of that length asks for; with the day where there are several. */
export function xText(axis: Axis, x: number, range = axis.full[1] - axis.full[0]): string {
  if (axis.kind === 'time') {
    const step = Math.min(1, 10 ** Math.max(-6, Math.floor(Math.log10(Math.max(1e-9, range) / 60))));
    if (axis.elapsed) return lengthText(x, step);
    return (manyDays(axis) ? dateText(x) + ' ' : '') + clockText(x, step);
  }
  if (axis.kind === 'distance') return num(x / 1000, 3);
  return num(x, Number.isInteger(x) ? 0 : undefined);
}

/** How long a stretch is, with its unit. */
export function rangeText(axis: Axis, range: number): string {
  if (axis.kind === 'time') return lengthText(range, range < 10 ? 0.001 : 1);
  if (axis.kind === 'distance') return `${num(range / 1000, range < 1000 ? 3 : 2)} km`;
  return num(range, Number.isInteger(range) ? 0 : 2);
}

/** The last index whose x is not after; −1: all are. */
export function indexAt(xs: readonly number[], x: number): number {
  let low = 0;
  let high = xs.length - 1;
  let found = -1;
  while (low <= high) {
    const mid = (low + high) >> 1;
    if ((xs[mid] ?? 0) <= x) {
      found = mid;
      low = mid + 1;
    } else high = mid - 1;
  }
  return found;
}

/** The value that holds at x: that of the sample before, never the nearest. `gaps`: null is a value, namely that there is none. */
export function valueAt(xs: readonly number[], ys: readonly (number | null)[], x: number, gaps = false): number | null {
  for (let i = indexAt(xs, x); i >= 0; i--) {
    const v = ys[i];
    if (v !== null && v !== undefined) return v;
    if (gaps) return null;
  }
  return null;
}

/** Least and largest value of a series within a stretch, the lines that lead into it and out of it among them. */
function extent(s: LineSeries, [a, b]: Window): [number, number] | undefined {
  let low = Infinity;
  let high = -Infinity;
  for (let i = Math.max(0, indexAt(s.xs, a)); i < s.xs.length; i++) {
    const [l, h] = [s.low?.[i] ?? s.ys[i], s.high?.[i] ?? s.ys[i]];
    if (l !== null && l !== undefined && l < low) low = l;
    if (h !== null && h !== undefined && h > high) high = h;
    if ((s.xs[i] ?? 0) > b) break;
  }
  return low <= high ? [low, high] : undefined;
}

/**
 * From where to where a lane's y goes, in round numbers. One that begins at zero keeps its scale when it is zoomed, so that
 * stretches of a run can be compared; others take the room that what is seen of them needs.
 */
export function yRange(lane: LineLane, win: Window): Window {
  let low = lane.zero ? 0 : Infinity;
  let high = lane.zero ? 0 : -Infinity;
  for (const s of lane.series) {
    const e = extent(s, lane.zero ? [-Infinity, Infinity] : win);
    if (e) [low, high] = [Math.min(low, e[0]), Math.max(high, e[1])];
  }
  if (!(low <= high)) return [0, 1];
  if (low === high) [low, high] = lane.zero && low === 0 ? [0, 1] : [low - 1, high + 1];
  const step = niceStep(high - low, 5);
  const top = high === 0 ? 0 : high + (high - low) * 0.03;
  return [Math.floor(low / step) * step, Math.ceil(top / step) * step];
}

/** What is seen of a series on so many pixels: by pixel its least and largest value. No peak is lost. */
export function outline(s: LineSeries, full: Window, pixels: number): { at: number; low: number; high: number }[] {
  const out: { at: number; low: number; high: number }[] = [];
  const range = full[1] - full[0];
  if (!(range > 0)) return out;
  for (const [i, x] of s.xs.entries()) {
    const [l, h] = [s.low?.[i] ?? s.ys[i], s.high?.[i] ?? s.ys[i]];
    if (l === null || l === undefined || h === null || h === undefined) continue;
    const at = Math.round(((x - full[0]) / range) * pixels);
    const last = out.at(-1);
    if (last?.at === at) [last.low, last.high] = [Math.min(last.low, l), Math.max(last.high, h)];
    else out.push({ at, low: l, high: h });
  }
  return out;
}

/** Places of labels of the same height under each other, moved apart as little as it takes, all within the room there is. */
export function apart(tops: readonly number[], height: number, room: number): number[] {
  const out: number[] = [];
  for (const [i, top] of tops.entries())
    out.push(i === 0 ? Math.max(0, top) : Math.max(top, (out[i - 1] ?? 0) + height));
  let floor = room - height;
  for (let i = out.length - 1; i >= 0; i--) {
    out[i] = Math.min(out[i] ?? 0, floor);
    floor = (out[i] ?? 0) - height;
  }
  return out;
}

/** Zooms by a factor around a place, within the whole. */
export function zoom([a, b]: Window, full: Window, around: number, factor: number, least: number): Window {
  const range = Math.max(least, Math.min(full[1] - full[0], (b - a) * factor));
  const share = b > a ? (around - a) / (b - a) : 0.5;
  return within([around - share * range, around + (1 - share) * range], full);
}

/** Moves a window so that it lies within the whole. */
export function within([a, b]: Window, full: Window): Window {
  const range = Math.min(b - a, full[1] - full[0]);
  const start = Math.max(full[0], Math.min(a, full[1] - range));
  return [start, start + range];
}

export function isWhole(w: Window, full: Window): boolean {
  const slack = (full[1] - full[0]) * 1e-6;
  return w[0] <= full[0] + slack && w[1] >= full[1] - slack;
}
