import { describe, expect, it } from 'vitest';
import type { Column } from '../../api/types';
import { chipText, filterText, ofColumn, parseFilter } from './filter';

const column = (type: string, more: Partial<Column> = {}): Column => ({
  name: 'c',
  type,
  unit: '',
  description: '',
  labels: [],
  max: null,
  min: null,
  naive: false,
  nullable: true,
  role: '',
  sensitive: false,
  ...more,
});
const naive = column('ts_us', { naive: true, min: '2024-11-15T12:00:01.000000', max: '2024-11-15T12:41:10.000000' });

describe('numbers', () => {
  it.each([
    ['> 60', ['c:gt:60']],
    ['>=60', ['c:ge:60']],
    ['<-1.5e3', ['c:lt:-1.5e3']],
    ['≠ 3', ['c:ne:3']],
    ['47', ['c:eq:47']],
    ['1\u202f234,5', ['c:eq:1234.5']],
    ['60..80', ['c:ge:60', 'c:le:80']],
    ['60..', ['c:ge:60']],
    ['1, 2, 3', ['c:in:1,2,3']],
    ['null', ['c:is_null:true']],
    ['!null', ['c:is_null:false']],
    ['  ', []],
  ])('%s', (text, where) => expect(parseFilter(text, column('dec64(3)'))).toEqual({ where }));
  it.each([['x'], ['> fast'], ['1, x, 3'], ['..x']])('%s is none', (text) =>
    expect(parseFilter(text, column('u8'))).toEqual({ error: 'number' }),
  );
  it('says when the value is missing', () => expect(parseFilter('>', column('u8'))).toEqual({ error: 'empty' }));
});

describe('times', () => {
  it.each([
    ['12:02..12:10', ['c:ge:2024-11-15T12:02:00', 'c:le:2024-11-15T12:10:00']],
    ['12:02', ['c:ge:2024-11-15T12:02:00', 'c:le:2024-11-15T12:02:59.999999']],
    ['> 2024-11-16', ['c:gt:2024-11-16T00:00:00']],
    ['= 9:05:06.25', ['c:eq:2024-11-15T09:05:06.25']],
  ])('%s', (text, where) => expect(parseFilter(text, naive)).toEqual({ where }));
  it('takes the zone of the browser for instants', () => {
    const instant = column('ts_us', { min: '2024-11-15T12:00:01.000000Z' });
    const want = new Date('2024-11-15T13:30:00').toISOString().replace('.000Z', 'Z');
    expect(parseFilter('> 2024-11-15 13:30', instant)).toEqual({ where: ['c:gt:' + want] });
  });
  it.each([['25:00'], ['12:61'], ['noon'], ['> yesterday']])('%s is none', (text) =>
    expect(parseFilter(text, naive)).toEqual({ error: 'time' }),
  );
});

it('looks into texts', () => {
  expect(parseFilter('BTM', column('enum8'))).toEqual({ where: ['c:contains:BTM'] });
  expect(parseFilter('= a:b', column('utf8'))).toEqual({ where: ['c:eq:a:b'] });
  expect(parseFilter('ja', column('bool'))).toEqual({ where: ['c:eq:true'] });
});

it('writes what it reads', () => {
  for (const text of ['> 60', '60..80', '= 47', '!= 3', 'null', '!null']) {
    const parsed = parseFilter(text, column('f64'));
    expect('where' in parsed && filterText(parsed.where, column('f64'))).toBe(text);
  }
  expect(filterText(['c:contains:BTM'], column('utf8'))).toBe('BTM');
  expect(chipText('speed:gt:60')).toBe('speed > 60');
  expect(chipText('name:eq:a:b')).toBe('name = a:b');
  expect(ofColumn(['a:eq:1', 'ab:eq:2'], 'a')).toEqual(['a:eq:1']);
});
