import { expect, it } from 'vitest';
import type { Table } from '../../api/types';
import {
  csvText,
  type Drawn,
  type Source,
  defaultX,
  defaultY,
  parseRef,
  shortNames,
  stretchesOf,
  xValue,
  yColumns,
} from './data';

const c = (name: string, type: string, role = '', naive = false) => ({
  name,
  type,
  role,
  naive,
  unit: '',
  description: '',
  labels: [],
  min: null,
  max: null,
  nullable: true,
  sensitive: false,
});
const table = {
  name: 't',
  columns: [
    c('seq', 'i64'),
    c('time', 'ts_us', 'time', true),
    c('mode', 'enum8'),
    c('speed', 'dec32(3)', 'speed'),
    c('note', 'utf8'),
  ],
} as unknown as Table;

it('chooses what is most likely meant', () => {
  expect(defaultX(table)).toBe('time');
  expect(defaultY(table)).toEqual(['speed']);
  expect(yColumns(table).map((x) => x.name)).toEqual(['mode', 'speed']);
  expect(defaultY({ ...table, columns: [c('seq', 'i64'), c('n', 'u8')] } as unknown as Table)).toEqual(['n']);
});

it('reads and writes the address', () => {
  expect(parseRef('d1.records')).toEqual({ decode: 'd1', table: 'records' });
  expect(parseRef('d1')).toBeUndefined();
  expect(xValue(c('t', 'ts_us', '', true), 60.5)).toBe('1970-01-01T00:01:00.500');
  expect(xValue(c('x', 'dec64(2)'), 12.5)).toBe('12.5');
  const at = Date.parse('2024-11-15T12:00:00.000Z');
  expect(xValue(c('t', 'ts_us'), at / 1000 - new Date(at).getTimezoneOffset() * 60)).toBe('2024-11-15T12:00:00.000Z');
});

it('puts equal neighbours together', () => {
  expect(stretchesOf([0, 1, 2, 3, 4], ['a', 'a', null, 'b', 'b'], 0)).toEqual([
    { x: 0, to: 3, text: 'a' },
    { x: 3, to: 4, text: 'b' },
  ]);
  expect(stretchesOf([], [], 0)).toEqual([]);
});

it('writes what is seen as CSV', () => {
  const drawn = (xs: number[], v: (number | null)[], mode: (string | null)[]): Drawn => ({
    xs,
    lines: { v: { ys: v } },
    states: { mode },
    rows: 0,
    buckets: 0,
  });
  const sources = [{ name: 'a "b", c' }, { name: 'd' }] as Source[];
  const list = [drawn([10, 11, 12], [1, null, 3], ['x', null, 'y, z']), drawn([100, 101], [0, 5], ['', 'q'])];
  expect(csvText(sources, list, [10, 100], [1, 2], ['v', 'mode'], 'time_s', (x) => `${x}`)).toBe(
    'recording,time_s,v,mode\n"a ""b"", c",1,,\n"a ""b"", c",2,3,"y, z"\nd,1,5,q\n',
  );
});

it('shortens names to where they differ', () => {
  expect(shortNames(['20241115_9042_120001.MMI', '20241115_9042_114011.MMI'])).toEqual(['…120001.MMI', '…114011.MMI']);
  expect(shortNames(['recording.log', 'recording.log'])).toEqual(['recording.log', 'recording.log']);
  expect(shortNames(['20241115_9042.MMI'])).toEqual(['20241115_9042.MMI']);
  expect(shortNames(['ab_1', 'ab_2'])).toEqual(['ab_1', 'ab_2']);
  expect(shortNames(['a', 'b'])).toEqual(['a', 'b']);
});
