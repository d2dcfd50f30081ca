import { bytesText, duration, num } from '../../lib/format';

/** A figure of a rule: `%`, `s`, or a number. */
export function figure(value: number | null, unit: string | null): string {
  if (value === null) return '–';
  if (unit === 's') return duration(value);
  return unit ? `${num(value, value % 1 === 0 ? 0 : 1)}\u00a0${unit}` : num(value, value % 1 === 0 ? 0 : 1);
}

/** A figure of a metric, in the unit that its name says. */
export function metricText(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined) return '–';
  if (unit === 'B') return bytesText(value);
  if (unit === 's') return value > 1e9 ? num(value) : duration(value);
  if (unit === '%') return `${num(value, 1)}\u00a0%`;
  return num(value, value % 1 === 0 ? 0 : Math.abs(value) < 1 ? 4 : 2);
}
