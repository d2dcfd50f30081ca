// What is typed into the field under a column's head, and what the API is asked.
//
//   > 60   >= 60   < 60   <= 60   = 47   != 3   60..80   1, 2, 3   null   !null   text (contains)
//
// Times may be a clock alone where the column lies within one day: 12:02..12:10.

import type { Column } from '../../api/types';
import { day } from '../../lib/format';
import { kindOf } from './cells';

export type Parsed = { where: string[] } | { error: 'number' | 'time' | 'empty' };

const operators: [RegExp, string][] = [
  [/^>=\s*/, 'ge'],
  [/^<=\s*/, 'le'],
  [/^(?:!=|≠)\s*/, 'ne'],
  [/^>\s*/, 'gt'],
  [/^<\s*/, 'lt'],
  [/^==?\s*/, 'eq'],
];

/** The conditions for a text; none for an empty one. */
export function parseFilter(text: string, column: Column): Parsed {
  const t = text.trim();
  const name = column.name;
  if (t === '') return { where: [] };
  if (/^null$/i.test(t)) return { where: [`${name}:is_null:true`] };
  if (/^!\s*null$/i.test(t)) return { where: [`${name}:is_null:false`] };
  const kind = kindOf(column);
  if (kind === 'number' || kind === 'time') {
    const range = /^(.*?)\s*(?:\.\.|…)\s*(.*)$/.exec(t);
    if (range && (range[1] || range[2])) {
      return all(column, [
        ['ge', range[1] ?? ''],
        ['le', range[2] ?? ''],
      ]);
    }
  }
  for (const [pattern, op] of operators) {
    const rest = t.replace(pattern, '');
    if (rest === t) continue;
    if (rest === '') return { error: 'empty' };
    return all(column, [[op, rest]]);
  }
  if (kind === 'number') {
    const parts = t.split(/[,;]\s+|;/);
    if (parts.length > 1) {
      const values = parts.map((p) => value(p, column));
      if (values.some((v) => v === undefined)) return { error: 'number' };
      return { where: [`${name}:in:${values.join(',')}`] };
    }
    return all(column, [['eq', t]]);
  }
  if (kind === 'time') {
    // A clock without seconds means the whole minute.
    if (/\d\d?:\d\d$/.test(t) && !/:\d\d:\d\d$/.test(t)) {
      return all(column, [
        ['ge', t + ':00'],
        ['le', t + ':59.999999'],
      ]);
    }
    return all(column, [['eq', t]]);
  }
  if (kind === 'bool') {
    if (/^(true|yes|ja|是|1)$/i.test(t)) return { where: [`${name}:eq:true`] };
    if (/^(false|no|nein|否|0)$/i.test(t)) return { where: [`${name}:eq:false`] };
    return { error: 'empty' };
  }
  return { where: [`${name}:contains:${t}`] };
}

function all(column: Column, pairs: [string, string][]): Parsed {
  const where: string[] = [];
  for (const [op, text] of pairs) {
    if (text === '') continue;
    const v = value(text, column);
    if (v === undefined) return { error: kindOf(column) === 'time' ? 'time' : 'number' };
    where.push(`${column.name}:${op}:${v}`);
  }
  return { where };
}

/** A value as the API reads it; undefined: none of the column's type. */
function value(text: string, column: Column): string | undefined {
  const kind = kindOf(column);
  if (kind === 'number') return number(text);
  if (kind === 'time') return time(text, column);
  return text;
}

function number(text: string): string | undefined {
  const plain = text
    .replace(/[\u202f\u00a0' _]/g, '')
    .replace('−', '-')
    .replace(/^(-?\d+),(\d+)$/, '$1.$2');
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) || /^[+-]?inf$/i.test(plain) ? plain : undefined;
}

function time(text: string, column: Column): string | undefined {
  const m = /^(?:(\d{4}-\d\d-\d\d)[ T]?)?(?:(\d\d?):(\d\d)(?::(\d\d)(\.\d+)?)?)?(Z)?$/.exec(text.trim());
  if (!m || (!m[1] && !m[2])) return undefined;
  const first = typeof column.min === 'string' ? column.min : undefined;
  const date = m[1] ?? (first ? (column.naive ? first.slice(0, 10) : day(new Date(first))) : undefined);
  if (!date || (m[2] && Number(m[2]) > 23) || Number(m[3] ?? 0) > 59 || Number(m[4] ?? 0) > 59) return undefined;
  const clock = `${(m[2] ?? '0').padStart(2, '0')}:${m[3] ?? '00'}:${m[4] ?? '00'}`;
  const fraction = m[5] ?? '';
  if (column.naive || m[6]) return `${date}T${clock}${fraction}${m[6] ?? ''}`;
  const at = new Date(`${date}T${clock}`); // the browser's zone, in which the column is shown
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString().replace(/\.\d+Z$/, `${fraction}Z`);
}

/** The conditions of one column among all. */
export function ofColumn(where: readonly string[], column: string): string[] {
  return where.filter((w) => w.startsWith(column + ':'));
}

/** What stands in the field for the conditions of a column. */
export function filterText(where: readonly string[], column: Column): string {
  const parts = where.map((w) => {
    const [op = '', value = ''] = split(w);
    return [op, shown(value, column)] as const;
  });
  const [a, b] = parts;
  if (parts.length === 2 && a?.[0] === 'ge' && b?.[0] === 'le') return `${a[1]}..${b[1]}`;
  return parts.map(([op, v]) => opText(op, v)).join(' ');
}

/** The words of a chip: `speed > 60`. */
export function chipText(where: string): string {
  const column = where.slice(0, where.indexOf(':'));
  const [op, value] = split(where);
  return `${column} ${opText(op, value)}`;
}

function split(where: string): [string, string] {
  const rest = where.slice(where.indexOf(':') + 1);
  const at = rest.indexOf(':');
  return at < 0 ? [rest, ''] : [rest.slice(0, at), rest.slice(at + 1)];
}

function opText(op: string, value: string): string {
  const signs: Record<string, string> = { gt: '> ', ge: '>= ', lt: '< ', le: '<= ', eq: '= ', ne: '!= ', contains: '' };
  if (op === 'is_null') return value === 'false' ? '!null' : 'null';
  if (op === 'in') return value.split(',').join(', ');
  return (signs[op] ?? op + ' ') + value;
}

function shown(value: string, column: Column): string {
  if (kindOf(column) !== 'time') return value;
  if (column.naive) return value.replace('T', ' ').replace(/\.0+$/, '');
  const at = new Date(value);
  if (Number.isNaN(at.getTime())) return value;
  const two = (n: number) => String(n).padStart(2, '0');
  const fraction = /\.(\d*[1-9])0*Z$/.exec(value)?.[1];
  return `${day(at)} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}${fraction ? '.' + fraction : ''}`;
}
