import { describe, expect, it } from 'vitest';
import { clockText, indexAt, isWhole, niceStep, ticksOf, timeStep, valueAt, within, zoom } from './scale';
import type { Axis } from './types';

const distance: Axis = { kind: 'distance', full: [0, 35_520], unit: 'km', label: 'km' };
const time: Axis = { kind: 'time', full: [0, 3600], unit: '', label: '' };

it('makes round ticks', () => {
  expect(niceStep(35_520, 11)).toBe(2000);
  expect(niceStep(1, 10)).toBeCloseTo(0.1);
  expect(timeStep(3600, 10)).toBe(600);
  expect(ticksOf(distance, [0, 20_000], 4).map((t) => t.text)).toEqual(['0', '5', '10', '15', '20']);
  expect(ticksOf(time, [43_210, 43_330], 4).map((t) => t.text)).toEqual([
    '12:00:30',
    '12:01:00',
    '12:01:30',
    '12:02:00',
  ]);
  expect(ticksOf(time, [5, 5], 4)).toEqual([]);
});

it('reads a clock', () => {
  expect(clockText(43_209.5)).toBe('12:00:10');
  expect(clockText(43_209.25, 0.01)).toBe('12:00:09.25');
  expect(clockText(86_399.9999)).toBe('00:00:00');
  expect(clockText(-1)).toBe('23:59:59');
});

describe('the value that holds', () => {
  const xs = [0, 10, 20];
  it.each([
    [-1, -1],
    [0, 0],
    [9.9, 0],
    [20, 2],
    [99, 2],
  ])('at %s', (x, i) => expect(indexAt(xs, x)).toBe(i));
  it('is that of the sample before, past gaps', () => {
    expect(valueAt(xs, [1, null, 3], 19)).toBe(1);
    expect(valueAt(xs, [null, 2, 3], 5)).toBeNull();
  });
});

it('zooms around a place within the whole', () => {
  expect(zoom([0, 100], [0, 100], 50, 0.5, 1)).toEqual([25, 75]);
  expect(zoom([0, 100], [0, 100], 0, 0.5, 1)).toEqual([0, 50]);
  expect(zoom([20, 40], [0, 100], 30, 100, 1)).toEqual([0, 100]);
  expect(zoom([50, 51], [0, 100], 50.5, 0.1, 1)).toEqual([50, 51]);
  expect(within([90, 120], [0, 100])).toEqual([70, 100]);
  expect(isWhole([0, 100], [0, 100])).toBe(true);
  expect(isWhole([0, 99], [0, 100])).toBe(false);
});
