// How values are written: narrow no-break spaces between thousands, a real minus, `–` for what is not there.

const narrow = '\u202f';

/** Groups the digits of a number; `digits` are those after the point, as many as it has if left out (at most 6). */
export function num(value: number | null | undefined, digits?: number): string {
  if (value === null || value === undefined) return '–';
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞';
  const magnitude = Math.abs(value);
  if (digits === undefined && magnitude !== 0 && (magnitude >= 1e15 || magnitude < 1e-6)) {
    return value.toExponential(3).replaceAll('-', '−');
  }
  const text = digits === undefined ? trim(magnitude.toFixed(6)) : magnitude.toFixed(digits);
  const [whole = '0', fraction] = text.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, narrow);
  const zero = !/[1-9]/.test(text);
  return (value < 0 && !zero ? '−' : '') + grouped + (fraction ? '.' + fraction : '');
}

function trim(text: string): string {
  return text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
}

/** A value and its unit, apart, so that the unit can be set smaller. */
export interface Reading {
  value: string;
  unit: string;
}

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in decimal units, as disks are sold and browsers count. */
export function bytes(n: number | null | undefined): Reading {
  if (n === null || n === undefined) return { value: '–', unit: '' };
  let step = 0;
  let rest = Math.abs(n);
  while (rest >= 999.5 && step < byteUnits.length - 1) {
    rest /= 1000;
    step++;
  }
  const digits = step === 0 || rest >= 100 ? 0 : 1;
  return { value: (n < 0 ? '−' : '') + num(rest, digits), unit: byteUnits[step] ?? 'B' };
}

export function bytesText(n: number | null | undefined): string {
  const r = bytes(n);
  return r.unit ? `${r.value}\u00a0${r.unit}` : r.value;
}

/** Seconds as people say them: `42 ms`, `1.8 s`, `4 min 29 s`, `4 h 29 min`, `12 d 4 h`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 0) return '−' + duration(-seconds);
  if (seconds === 0) return '0\u00a0s';
  if (seconds < 0.9995) return `${num(Math.max(seconds * 1000, 0.1), seconds < 0.01 ? 1 : 0)}\u00a0ms`;
  if (seconds < 9.95) return `${num(seconds, 1)}\u00a0s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s}\u00a0s`;
  if (s < 3600) return pair(Math.floor(s / 60), 'min', s % 60, 's');
  const m = Math.round(s / 60);
  if (m < 48 * 60) return pair(Math.floor(m / 60), 'h', m % 60, 'min');
  const h = Math.round(s / 3600);
  return pair(Math.floor(h / 24), 'd', h % 24, 'h');
}

function pair(a: number, unitA: string, b: number, unitB: string): string {
  return b === 0 ? `${a}\u00a0${unitA}` : `${a}\u00a0${unitA} ${b}\u00a0${unitB}`;
}

/** Offsets in bytes: `0x1CF4`. */
export function hex(n: number, width = 2): string {
  return '0x' + n.toString(16).toUpperCase().padStart(width, '0');
}

const two = (n: number) => String(n).padStart(2, '0');

/** Time of day in the browser's zone. */
export function clock(at: Date, millis = false): string {
  const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return millis ? `${text}.${String(at.getMilliseconds()).padStart(3, '0')}` : text;
}

/** Day in the browser's zone, as ISO 8601 has it. */
export function day(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** Time today, day and time otherwise. */
export function moment(at: Date, now: Date = new Date()): string {
  return day(at) === day(now) ? clock(at) : `${day(at)} ${clock(at)}`;
}

/** The same instant in UTC, for the title of a time. */
export function utc(at: Date): string {
  return (
    at
      .toISOString()
      .replace('T', ' ')
      .replace(/\.?0*Z$/, '') + ' UTC'
  );
}

/** The browser's zone at that time: `+02:00`. */
export function zone(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const abs = Math.abs(minutes);
  return `${minutes < 0 ? '−' : '+'}${two(Math.floor(abs / 60))}:${two(abs % 60)}`;
}
