import { expect, it } from 'vitest';
import { sparkOf } from './readings';

const line = (kind: string, mean: (number | null)[], max = mean, subject: string | null = null) => ({
  kind,
  subject,
  unit: '',
  text: '',
  limit: null,
  min: mean,
  mean,
  max,
});

it('finds the largest value and when it was', () => {
  const list = {
    from: '2026-01-01T00:00:00Z',
    step: 600,
    series: [line('memory', [1, null, 3, 2], [1, null, 9, 4]), line('queue_ready', [5], [5], 'email')],
  };
  expect(sparkOf(list, 'memory')).toEqual({
    values: [1, null, 3, 2],
    last: 2,
    most: 9,
    mostAt: new Date('2026-01-01T00:25:00Z'),
  });
  expect(sparkOf(list, 'queue_ready')).toBeUndefined();
  expect(sparkOf(list, 'queue_ready', 'email')?.last).toBe(5);
  expect(sparkOf({ ...list, series: [line('memory', [null, null])] }, 'memory')).toEqual({
    values: [null, null],
    last: null,
    most: undefined,
    mostAt: undefined,
  });
  expect(sparkOf(undefined, 'memory')).toBeUndefined();
});
