// Ticks, windows and values at a place: what charts calculate.

import { num } from '../../lib/format';
import type { Axis, Window } from './types';

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

function axisText(axis: Axis, x: number, step: number, range: number): string {
  if (axis.kind === 'time') {
    if (step >= 86400) return dateText(x);
    const text = clockText(x, step);
    return step >= 60 && range > 600 ? text.slice(0, 5) : text;
  }
  if (axis.kind === 'distance') return num(x / 1000, step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3);
  return num(x, step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step))));
}

/** The value of x in full. */
export function xText(axis: Axis, x: number): string {
  if (axis.kind === 'time') return clockText(x, 1);
  if (axis.kind === 'distance') return num(x / 1000, 3);
  return num(x, Number.isInteger(x) ? 0 : undefined);
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

/** The value that holds at x: that of the sample before, never the nearest. */
export function valueAt(xs: readonly number[], ys: readonly (number | null)[], x: number): number | null {
  for (let i = indexAt(xs, x); i >= 0; i--) {
    const v = ys[i];
    if (v !== null && v !== undefined) return v;
  }
  return null;
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
