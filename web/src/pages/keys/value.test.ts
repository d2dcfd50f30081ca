import { expect, test } from 'vitest';
import type { KeyMember, KeyValue } from '../../api/types';
import { bytesOf, cut, editable, hexLines, parseTtl, pretty, putOf, same, textOf } from './value';

const value = (type: KeyValue['type'], over: Partial<KeyValue> = {}) =>
  ({ type, value: null, members: [], ...over }) as unknown as KeyValue;

test('bytes that are no text are shown as such', () => {
  expect(textOf({ base64: 'AEH/' })).toBe('\\x00A\\xFF');
  expect(textOf({ text: 'ü' })).toBe('ü');
  expect([...bytesOf({ text: 'ü' })]).toEqual([0xc3, 0xbc]);
  expect(cut({ text: 'ü', bytes: 2 })).toBe(false);
  expect(cut({ text: 'ü', bytes: 3 })).toBe(true);
});

test('hex lines have place, bytes and text', () => {
  expect(hexLines(new Uint8Array([65, 0, 255, 66, 67, 68, 69, 70, 71]), 16)).toBe(
    '000010  41 00 FF 42 43 44 45 46  A..BCDEF\n000018  47                       G',
  );
});

test('only JSON of more than one value is indented', () => {
  expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(pretty('{"a":9007199254740993}')).toBe('{\n  "a": 9007199254740993\n}');
  expect(pretty('12')).toBeUndefined();
  expect(pretty('[1,')).toBeUndefined();
});

const members: Record<string, KeyMember[]> = {
  list: [{ value: { text: 'a' } }, { value: { text: 'b' } }],
  hash: [{ field: { text: 'f' }, value: { text: 'v' } }],
  zset: [
    { value: { text: 'm' }, score: '1.5' },
    { value: { text: 'n' }, score: 'inf' },
  ],
};

test.each(['list', 'hash', 'zset'] as const)('what is edited of a %s is what was there', (type) => {
  const text = editable(value(type), members[type]!, true)!;
  expect(putOf(type, text)).toEqual({ type, members: members[type] });
});

test('only a list has an order', () => {
  const text = (type: KeyValue['type'], list: KeyMember[]) => editable(value(type), list, true)!;
  const two = members['list']!;
  expect(same('set', text('set', two), text('set', two.toReversed()))).toBe(true);
  expect(same('list', text('list', two), text('list', two.toReversed()))).toBe(false);
  expect(same('set', text('set', two), text('set', two.slice(1)))).toBe(false);
});

test('a part, bytes, and streams are not edited', () => {
  expect(editable(value('list'), members['list']!, false)).toBeUndefined();
  expect(editable(value('list'), [{ value: { base64: 'AA' } }], true)).toBeUndefined();
  expect(editable(value('hash'), [{ field: { text: 'f' }, value: { text: 'v', bytes: 9 } }], true)).toBeUndefined();
  expect(editable(value('string', { value: { text: 'x', bytes: 2 } }), [], true)).toBeUndefined();
  expect(editable(value('string', { value: { text: 'x' } }), [], true)).toBe('x');
  expect(editable(value('stream'), [], true)).toBeUndefined();
  const many = Array.from({ length: 1001 }, () => ({ value: { text: 'a' } }));
  expect(editable(value('list'), many, true)).toBeUndefined();
});

test.each([
  ['list', '{', 'json'],
  ['list', '{}', 'array'],
  ['set', '[1]', 'text'],
  ['set', '[]', 'empty'],
  ['hash', '[]', 'object'],
  ['hash', '{"a":1}', 'text'],
  ['zset', '{"a":"b"}', 'score'],
  ['zset', 'null', 'object'],
  ['list', JSON.stringify(Array(1001).fill('a')), 'many'],
] as const)('%s %s is wrong', (type, text, wrong) => expect(putOf(type, text)).toBe(wrong));

test.each([
  ['', null],
  ['90', 90_000],
  ['1.5 s', 1500],
  ['10 min', 600_000],
  ['2H', 7_200_000],
  ['1d', 86_400_000],
  ['250ms', 250],
  ['0', undefined],
  ['soon', undefined],
  ['-3', undefined],
])('ends in %s', (text, ms) => expect(parseTtl(text)).toBe(ms));
