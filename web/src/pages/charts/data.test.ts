import { expect, it } from 'vitest';
import type { Table } from '../../api/types';
import { defaultX, defaultY, parseRef, stretchesOf, xValue, yColumns } from './data';

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
