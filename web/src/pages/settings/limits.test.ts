import { expect, it } from 'vitest';
import { groupsOf, valueText, type Limit } from './limits';

const limit = (key: string, value: string, number: number, unit: Limit['unit'], doc = ''): Limit => ({
  key,
  value,
  number,
  unit,
  source: 'default',
  live: false,
  doc,
});

it('writes values with their units', () => {
  const text = (value: string, number: number, unit: Limit['unit']) =>
    valueText(limit('a.b', value, number, unit), 'none at all').replace(/[\u00a0\u202f]/g, ' ');
  expect(text('64 MiB', 64 << 20, 'bytes')).toBe('64 MiB');
  expect(text('none', 0, 'bytes')).toBe('none at all');
  expect(text('70', 70, 'percent')).toBe('70 %');
  expect(text('100000', 100_000, 'number')).toBe('100 000');
  expect(text('0.2', 0.2, 'number')).toBe('0.2');
  expect(text('100ms', 0.1, 'seconds')).toBe('100 ms');
  expect(text('1m30s', 90, 'seconds')).toBe('1 min 30 s');
  expect(text('720h', 30 * 86_400, 'seconds')).toBe('30 d');
  expect(text('3s', 3, 'seconds')).toBe('3 s');
  expect(text('0s', 0, 'seconds')).toBe('0 s');
});

it('rounds no duration', () => {
  const text = (value: string, number: number) => valueText(limit('a.b', value, number, 'seconds'), '');
  expect(text('1h0m1s', 3601)).toBe('1h0m1s');
  expect(text('2.25s', 2.25)).toBe('2.25s');
  expect(text('49h30m', 178_200)).toBe('49h30m');
  expect(text('1.1s', 1.1).replace('\u00a0', ' ')).toBe('1.1 s');
});

it('finds limits by all words, and keeps them in sections', () => {
  const limits = [
    limit('server.max_upload', 'none', 0, 'bytes', 'Largest recording that is taken.'),
    limit('decode.memory', '64 MiB', 64 << 20, 'bytes', 'Memory of a decoder.'),
    limit('server.rate_limit', '0', 0, 'number', 'Requests a second.'),
  ];
  const found = (text: string) =>
    groupsOf(limits, text, { server: 'HTTP' }, (l) => (l.key === 'decode.memory' ? 'from the file' : '')).map((g) => [
      g.title,
      ...g.limits.map((l) => l.key),
    ]);
  expect(found('')).toEqual([
    ['HTTP', 'server.max_upload', 'server.rate_limit'],
    ['decode', 'decode.memory'],
  ]);
  expect(found(' Largest  RECORD')).toEqual([['HTTP', 'server.max_upload']]);
  expect(found('http')).toEqual([['HTTP', 'server.max_upload', 'server.rate_limit']]);
  expect(found('the file')).toEqual([['decode', 'decode.memory']]);
  expect(found('64 http')).toEqual([]);
});
