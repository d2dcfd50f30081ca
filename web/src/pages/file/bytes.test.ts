import { expect, it } from 'vitest';
import type { Table } from '../../api/types';
import { fieldAt, fieldColumn, linesAround, parseHex, rawText, spanOf } from './bytes';

const column = (name: string, type = 'i64', unit = '') => ({
  name,
  type,
  unit,
  description: '',
  labels: [],
  min: null,
  max: null,
  naive: false,
  nullable: true,
  role: '',
  sensitive: false,
});
const field = (name: string, at: number, length: number, type = 'u8') => ({ name, at, length, type, unit: '' });

const table: Table = {
  name: 'records',
  description: '',
  rows: 2,
  bytes: 0,
  columns: [column('offset'), column('type', 'u8'), column('length', 'u16'), column('speed_kmh', 'dec32(3)', 'km/h')],
  row_length: { column: 'length', plus: 16 },
  layouts: [
    { when: { type: [1] }, fields: [field('type', 0, 1), field('speed', 11, 4, 'i32')] },
    { when: { type: [2, 3] }, fields: [field('type', 0, 1), field('late', 30, 8)] },
  ],
};

it('finds what a row covers', () => {
  expect(spanOf(table, ['4096', 1, 32, 90.5])).toEqual({
    offset: 4096,
    length: 48,
    fields: [field('type', 0, 1), field('speed', 11, 4, 'i32')],
  });
  expect(spanOf(table, ['0', 9, 0, 0])?.fields).toEqual([]);
  // A field beyond the end is cut.
  expect(spanOf(table, ['0', 3, 18, 0])?.fields).toEqual([field('type', 0, 1), field('late', 30, 4)]);
  expect(spanOf({ ...table, columns: table.columns.slice(1) }, [1, 32, 0])).toBeUndefined();
  expect(spanOf(table, [null, 1, 32, 0])).toBeUndefined();
});

it('links bytes and fields', () => {
  const fields = spanOf(table, ['0', 1, 32, 0])?.fields ?? [];
  expect(fieldAt(fields, 0)).toBe(0);
  expect(fieldAt(fields, 1)).toBe(-1);
  expect(fieldAt(fields, 14)).toBe(1);
  expect(fieldAt(fields, 15)).toBe(-1);
  expect(fieldColumn(field('speed', 0, 4), table.columns)).toBe(3);
  expect(fieldColumn(field('type', 0, 1), table.columns)).toBe(1);
  expect(fieldColumn(field('none', 0, 1), table.columns)).toBe(-1);
});

it('reads what needs no byte order', () => {
  expect(rawText(field('a', 0, 1), [200])).toBe('200');
  expect(rawText(field('a', 0, 1, 'i8'), [200])).toBe('-56');
  expect(rawText(field('a', 0, 3, 'utf8'), [72, 105, 7])).toBe('Hi·');
  expect(rawText(field('a', 0, 2, 'u16'), [1, 255])).toBe('01 ff');
  expect(parseHex('00ff1')).toEqual([0, 255]);
});

it('shows lines around', () => {
  expect(linesAround({ offset: 100, length: 20, fields: [] }, 1e6)).toEqual({ offset: 64, length: 128 });
  expect(linesAround({ offset: 0, length: 1, fields: [] }, 10)).toEqual({ offset: 0, length: 16 });
  expect(linesAround({ offset: 0, length: 1e6, fields: [] }, 1e7).length).toBe(640);
});
