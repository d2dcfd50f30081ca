import { expect, test } from 'vitest';
import type { Reading, Rule } from '../../api/types';
import { figuresOf } from './readings';

const series = (kind: string, mean: (number | null)[], over: Partial<Reading> = {}) =>
  ({ kind, subject: null, limit: null, mean, max: mean.map((v) => (v === null ? v : v + 1)), ...over }) as Reading;
const rule = (name: string, warning: number) => ({ name, warning }) as Rule;

test('the last that is known, the peaks, and the limits of the rules', () => {
  const got = figuresOf(
    [series('cpu', [1, 2, null]), series('latency', [0.1], { limit: 2 }), series('memory', [5], { limit: 50 })],
    [rule('cpu', 70)],
  );
  expect(got.map((f) => f.kind)).toEqual(['cpu', 'memory', 'disk_used', 'latency', 'decoded', 'kv_commands']);
  expect(got[0]).toEqual({ kind: 'cpu', now: 2, values: [2, 3, null], limit: 70, whole: null });
  expect(got[1]).toMatchObject({ now: 5, limit: null, whole: 50 });
  expect(got[3]).toMatchObject({ now: 0.1, limit: 2 });
  expect(got[4]).toMatchObject({ now: null, values: [], limit: null });
});

test('the disk is a share of itself', () => {
  const [, , disk] = figuresOf([series('disk_used', [49, null], { limit: 100 })], [rule('disk', 80)]);
  expect(disk).toMatchObject({ now: 49, values: [50, null], limit: 80, whole: 100 });
});

test('queues have figures of the same kind that are not these', () => {
  const [cpu] = figuresOf([series('cpu', [9], { subject: 'email' })], []);
  expect(cpu!.now).toBeNull();
});
