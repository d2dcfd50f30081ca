import { expect, test } from 'vitest';
import { histogram } from './histogram';
import type { Line } from './lines';

const at = (s: number, rank = 1) => ({ ms: s * 1000, rank }) as Line;

test('no lines, no histogram', () => expect(histogram([])).toBeUndefined());

test('lines are counted by time and level, also out of order', () => {
  expect(histogram([at(12, 3), at(10), at(10.9, 0), at(13, 2)])).toEqual({
    from: 10_000,
    to: 14_000,
    step: 1000,
    buckets: [
      { plain: 2, warnings: 0, errors: 0 },
      { plain: 0, warnings: 0, errors: 0 },
      { plain: 0, warnings: 0, errors: 1 },
      { plain: 0, warnings: 1, errors: 0 },
    ],
  });
});

test.each([
  [119, 1],
  [600, 10],
  [3600, 60],
  [86_400 * 365, 604_800],
  [86_400 * 365 * 30, 86_400 * 92],
])('%d s are counted by %d s', (span, step) => {
  const h = histogram([at(0), at(span)])!;
  expect(h.step).toBe(step * 1000);
  expect(h.buckets.length).toBeLessThanOrEqual(121);
  expect(h.buckets.at(-1)!.plain + h.buckets[0]!.plain).toBe(2);
});
