import { expect, test } from 'vitest';
import type { KeyLine } from '../../api/types';
import { treeOf } from './tree';
import { Scan, type Page } from './scan.svelte';

const line = (text: string, bytes = 10) => ({ text, key: 'k-' + text, bytes }) as KeyLine;
const lines = ['user:1', 'user:2:name', 'user:2:mail', 'job:7:log', 'plain'].map((t) => line(t));

test('folders by colons, with what is in them; a folder of one key is that key', () => {
  expect(treeOf(lines, new Set()).map((r) => [r.name, r.keys, r.bytes])).toEqual([
    ['job:7:log', 1, 10],
    ['user:', 3, 30],
    ['plain', 1, 10],
  ]);
});

test('what is open shows what is within', () => {
  expect(treeOf(lines, new Set(['user:', 'user:2:'])).map((r) => [r.depth, r.name, r.id])).toEqual([
    [0, 'job:7:log', 'k-job:7:log'],
    [0, 'user:', 'user:'],
    [1, '2:', 'user:2:'],
    [2, 'mail', 'k-user:2:mail'],
    [2, 'name', 'k-user:2:name'],
    [1, '1', 'k-user:1'],
    [0, 'plain', 'k-plain'],
  ]);
});

function pages(...all: Page[]) {
  const asked: (string | undefined)[] = [];
  return {
    asked,
    fetch: async (cursor: string | undefined) => {
      asked.push(cursor);
      return all[asked.length - 1] ?? { items: [], next_cursor: 'on' };
    },
  };
}

test('empty answers are no end, and a key that comes twice is one', async () => {
  const p = pages(
    { items: [], next_cursor: 'a' },
    { items: [line('x')], next_cursor: 'b' },
    { items: [line('x', 20), line('y')], next_cursor: null },
  );
  const scan = new Scan();
  await scan.start(p.fetch);
  expect(p.asked).toEqual([undefined, 'a', 'b']);
  expect(scan.lines.map((l) => [l.text, l.bytes])).toEqual([
    ['x', 20],
    ['y', 10],
  ]);
  expect(scan.done).toBe(true);
  await scan.more();
  expect(p.asked).toHaveLength(3);
});

test('a walk that brings nothing stops, and goes on when it is asked to', async () => {
  const p = pages();
  const scan = new Scan();
  await scan.start(p.fetch);
  expect(p.asked).toHaveLength(25);
  expect(scan.done).toBe(false);
  await scan.more();
  expect(p.asked).toHaveLength(50);
});

test('an answer to an older question does not count', async () => {
  const scan = new Scan();
  let answer: (p: Page) => void = () => undefined;
  const old = scan.start(() => new Promise((resolve) => (answer = resolve)));
  await scan.start(pages({ items: [line('new')], next_cursor: null }).fetch);
  answer({ items: [line('old')], next_cursor: null });
  await old;
  expect(scan.lines.map((l) => l.text)).toEqual(['new']);
});
