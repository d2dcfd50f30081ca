import { expect, it } from 'vitest';
import { layout } from './layout';

const n = (key: string, ...depends_on: string[]) => ({ key, depends_on });

it('puts a job right of all it waits for', () => {
  const { placed, edges, columns, rows } = layout([
    n('a'),
    n('b', 'a'),
    n('c', 'a'),
    n('d', 'b', 'c'),
    n('e', 'a', 'd'),
  ]);
  expect([...placed.values()].map((p) => [p.key, p.column])).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 1],
    ['d', 2],
    ['e', 3],
  ]);
  expect(edges).toHaveLength(6);
  expect([columns, rows]).toEqual([4, 2]);
});

it('keeps to the order of what is waited for', () => {
  const { placed } = layout([n('a'), n('b'), n('y', 'b'), n('x', 'a')]);
  expect(placed.get('x')?.row).toBe(0);
  expect(placed.get('y')?.row).toBe(1);
});

it('comes to an end with broken answers', () => {
  expect(layout([n('a', 'b'), n('b', 'a'), n('c', 'gone')]).placed.size).toBe(3);
  expect(layout([]).columns).toBe(0);
});
