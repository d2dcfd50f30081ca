import type { Column } from '../../api/types';
import { day, num, utc } from '../../lib/format';

export type Kind = 'number' | 'time' | 'text' | 'enum' | 'bytes' | 'bool';

export function kindOf(column: Pick<Column, 'type'>): Kind {
  const type = column.type;
  if (/^[iu](8|16|32|64)$|^f(32|64)$|^dec/.test(type)) return 'number';
  if (type.startsWith('ts_')) return 'time';
  if (type.startsWith('enum')) return 'enum';
  if (type === 'bin') return 'bytes';
  if (type === 'bool') return 'bool';
  return 'text';
}

/** Digits after the point of a decimal type: 3 of `dec64(3)`. */
export function scaleOf(type: string): number | undefined {
  const m = /^dec\d+\((\d+)\)$/.exec(type);
  return m ? Number(m[1]) : undefined;
}

/** Units as people write them, from UCUM. */
const units: Record<string, string> = {
  By: 'B',
  '[ppth]': '‰',
  'm/s2': 'm/s²',
  Cel: '°C',
  deg: '°',
  '1': '',
  a: 'yr',
};
export const unitText = (unit: string) => units[unit] ?? unit;

export interface CellStyle {
  kind: Kind;
  /** To the right. */
  right: boolean;
  mono: boolean;
  text(value: unknown): string;
  /** What there is to say beyond the text: UTC, the whole bytes. */
  title(value: unknown): string;
}

/** How the values of a column are written. Made once a column, for cells are many. */
export function cellStyle(column: Column): CellStyle {
  const kind = kindOf(column);
  const plain = (value: unknown) => (value === null || value === undefined ? '–' : String(value));
  switch (kind) {
    case 'number': {
      const digits = scaleOf(column.type);
      const exact = /^[iu]64$/.test(column.type);
      return {
        kind,
        right: true,
        mono: false,
        text: exact ? integer : (v) => num(v as number | null, digits),
        title: (v) =>
          column.unit && v !== null ? `${exact ? integer(v) : num(v as number, digits)} ${unitText(column.unit)}` : '',
      };
    }
    case 'time': {
      const days = !sameDay(column);
      return {
        kind,
        right: false,
        mono: false,
        text: (v) => (v === null ? '–' : timeText(String(v), column.naive, days)),
        title: (v) => (v === null ? '' : timeTitle(String(v), column.naive)),
      };
    }
    case 'bytes':
      return { kind, right: false, mono: true, text: (v) => (v === null ? '–' : String(v).slice(0, 64)), title: plain };
    default:
      return { kind, right: false, mono: false, text: plain, title: (v) => (v === null ? '' : plain(v)) };
  }
}

/** An integer of any size, which may come as text. */
export function integer(value: unknown): string {
  if (value === null || value === undefined) return '–';
  const text = String(value);
  const negative = text.startsWith('-');
  return (negative ? '−' : '') + (negative ? text.slice(1) : text).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

function sameDay(column: Column): boolean {
  if (typeof column.min !== 'string' || typeof column.max !== 'string') return false;
  if (column.naive) return column.min.slice(0, 10) === column.max.slice(0, 10);
  return day(new Date(column.min)) === day(new Date(column.max));
}

/** A time of the API: without a zone it is the recorder's own clock, else it is shown in the browser's zone. */
export function timeText(value: string, naive: boolean, days: boolean): string {
  const [, date = '', clock = '', fraction = ''] = /^(.*)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z?$/.exec(value) ?? [];
  const rest = fraction.replace(/0+$/, '');
  if (naive || !clock) return !clock ? value : `${days ? date + ' ' : ''}${clock}${rest ? '.' + rest : ''}`;
  const at = new Date(value);
  const two = (n: number) => String(n).padStart(2, '0');
  const local = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${days ? day(at) + ' ' : ''}${local}${rest ? '.' + rest : ''}`;
}

function timeTitle(value: string, naive: boolean): string {
  if (naive) return value.replace('T', ' ').replace(/\.?0*$/, '');
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? value : utc(at);
}

/** How wide a column is before anybody has changed it. */
export function defaultWidth(column: Column): number {
  const mark = column.sensitive ? 78 : 0; // its glyph and word
  const head = (column.name.length + unitText(column.unit).length) * 7 + 34 + mark;
  const kind = kindOf(column);
  const value =
    kind === 'number'
      ? 76
      : kind === 'time'
        ? sameDay(column)
          ? 92
          : 158
        : kind === 'enum'
          ? 150
          : kind === 'bool'
            ? 60
            : 190;
  return Math.min(Math.max(head, value), 320);
}
