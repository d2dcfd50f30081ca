import { describe, expect, it } from 'vitest';
import {
  apart,
  clockText,
  indexAt,
  isWhole,
  lengthText,
  niceStep,
  outline,
  rangeText,
  ticksOf,
  timeStep,
  valueAt,
  within,
  xText,
  yRange,
  zoom,
} from './scale';
import type { Axis, LineLane, LineSeries } from './types';

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

describe('times of more than a day', () => {
  const days: Axis = { kind: 'time', full: [86_000, 3 * 86_400], unit: '', label: '' };
  it('have their day', () => {
    expect(ticksOf(days, [86_000, 90_000], 3).map((t) => t.text)).toEqual(['1970-01-02', '00:30', '01:00']);
    expect(xText(days, 86_460)).toBe('1970-01-02 00:01:00');
    expect(xText(time, 60)).toBe('00:01:00');
  });
  it('count on where they are lengths', () => {
    expect(lengthText(100 * 3600 + 61)).toBe('100:01:01');
    expect(lengthText(86_399.9996)).toBe('24:00:00');
    expect(lengthText(-5)).toBe('−00:00:05');
    const own: Axis = { kind: 'time', elapsed: true, full: [0, 200_000], unit: '', label: '' };
    expect(xText(own, 90_000)).toBe('25:00:00');
    expect(ticksOf(own, [86_000, 90_000], 3).map((t) => t.text)).toEqual(['24:00', '24:30', '25:00']);
    expect(rangeText(time, 1120)).toBe('00:18:40');
    expect(rangeText(distance, 7400)).toBe('7.40 km');
  });
  it('are as exact as the stretch is short', () => {
    expect(xText(time, 1.25, 0.5)).toBe('00:00:01.250');
    expect(xText(time, 1.25, 20)).toBe('00:00:01.3');
    expect(xText(time, 1.25, 60)).toBe('00:00:01');
  });
});

it('says that there is no value where null means that', () => {
  expect(valueAt([0, 1, 2], [5, null, 7], 1.5)).toBe(5);
  expect(valueAt([0, 1, 2], [5, null, 7], 1.5, true)).toBeNull();
});

const series = (ys: readonly (number | null)[], more: Partial<LineSeries> = {}): LineSeries => ({
  key: 's',
  label: 's',
  color: 1,
  xs: ys.map((_, i) => i),
  ys,
  ...more,
});
const lane = (s: LineSeries, zero = false): LineLane => ({
  type: 'lines',
  key: 'l',
  label: '',
  unit: '',
  height: 100,
  series: [s],
  zero,
});

it('keeps the scale of what begins at zero, and fits the others to what is seen', () => {
  const s = series([0, 10, 11, 12, 100]);
  expect(yRange(lane(s, true), [1, 2])).toEqual([0, 120]);
  expect(yRange(lane(s), [1.5, 2.5])).toEqual([10, 12.5]);
  expect(yRange(lane(series([-8, 3]), true), [0, 1])).toEqual([-8, 4]);
  expect(yRange(lane(series([5, 5])), [0, 1])).toEqual([4, 6.5]);
  expect(yRange(lane(series([0, 0]), true), [0, 1])[1]).toBeGreaterThan(0);
  expect(yRange(lane(series([])), [0, 1])).toEqual([0, 1]);
  expect(yRange(lane(series([1, 1], { low: [0, 0], high: [9, 9] })), [0, 1])).toEqual([0, 10]);
});

it('draws an outline without losing a peak', () => {
  const ys = Array.from({ length: 300_000 }, (_, i) => (i === 123_457 ? 99 : 1));
  const columns = outline(series(ys), [0, 299_999], 400);
  expect(columns.length).toBe(401);
  expect(Math.max(...columns.map((c) => c.high))).toBe(99);
  expect(outline(series([1, null, 3], { low: [0, null, 2], high: [4, null, 8] }), [0, 2], 2)).toEqual([
    { at: 0, low: 0, high: 4 },
    { at: 2, low: 2, high: 8 },
  ]);
  expect(outline(series([1]), [0, 0], 10)).toEqual([]);
});

it('moves labels apart within their room', () => {
  expect(apart([10, 12, 80], 15, 100)).toEqual([10, 25, 80]);
  expect(apart([90, 95], 15, 100)).toEqual([70, 85]);
  expect(apart([-9], 15, 100)).toEqual([0]);
  expect(apart([], 15, 100)).toEqual([]);
});
