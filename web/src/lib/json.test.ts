import { expect, test } from 'vitest';
import { indent, withRaw, written } from './json';

const values = ['{}', '[]', '{"a":[]}', '[[],{}]', '{"a":{"b":[1,"x",null,true,-1.5]},"c":"d"}', '12', '"{[,:]}"'];

test.each(values)('%s is indented as the browser does', (text) =>
  expect(indent(text)).toBe(JSON.stringify(JSON.parse(text), null, 2)),
);

test('numbers stay as they are written, and strings are shown as they are meant', () => {
  expect(indent('{"id":9007199254740993,"x":1.50}')).toBe('{\n  "id": 9007199254740993,\n  "x": 1.50\n}');
  expect(indent('"\\u003cb\\u003e \\"ü\\""')).toBe('"<b> \\"ü\\""');
});

test('what stands at a path', () => {
  const text =
    '{"x": {"payload": 1}, "items": [ {"job": {"a": [1, {"b": ","}], "payload": {"n": 9007199254740993}}}, 7.0 ], "payload": "p"}';
  expect(written(text, 'payload')).toBe('"p"');
  expect(written(text, 'items', 0, 'job', 'payload')).toBe('{"n": 9007199254740993}');
  expect(written(text, 'items', 0, 'job', 'a', 1, 'b')).toBe('","');
  expect(written(text, 'items', 1)).toBe('7.0');
  expect(written(text, 'items', 2)).toBe('null');
  expect(written('{"a":{}}', 'b')).toBe('null');
});

test('a member that is JSON already', () => {
  expect(withRaw({ a: 1 }, 'b', '{ "n":\n 9007199254740993 }')).toBe('{"a":1,"b":{"n":9007199254740993}}');
  expect(withRaw({}, 'b', '1')).toBe('{"b":1}');
});
