import { expect, it } from 'vitest';
import { groupsOf, nearestGroup, profile, samplesOf, seconds, spansOf, stopsOf, stretches } from './data';

const row = (time: string, location_m: number, more: object = {}) => ({
  time: '2024-11-15T' + time,
  location_m,
  ...more,
});

it('reads clocks', () => {
  expect(seconds('1970-01-01T00:01:00.500000')).toBe(60.5);
  const here = new Date('2024-11-15T12:00:00.000Z');
  expect(seconds('2024-11-15T12:00:00.000000Z')).toBe(here.getTime() / 1000 - here.getTimezoneOffset() * 60);
});

it('finds from when to when something holds', () => {
  const rows = [
    row('12:00:00', 0, { w: 0 }),
    row('12:00:05', 50, { w: 1 }),
    row('12:00:06', 60, { w: 1 }),
    row('12:00:09', 90, { w: 0 }),
    row('12:00:20', 200, { w: 1 }),
  ];
  const got = stretches(rows, (r) => r['w'] === 1, 1e9, 300);
  expect(got.map((s) => [s.x, s.toX])).toEqual([
    [50, 90],
    [200, 300],
  ]);
});

it('puts descriptions of the way together: the newest holds ahead of where it came', () => {
  const e = (record: number, location_m: number, position_m: number, v_mrsp: number) => ({
    record,
    location_m,
    kind: 'mrsp',
    position_m,
    v_mrsp,
  });
  const rows = [
    e(1, 100, 0, 40),
    e(1, 100, 500, 80),
    e(1, 100, 900, 120),
    { record: 1, location_m: 100, kind: 'gradient', position_m: 0, v_mrsp: null },
    e(2, 600, 500, 80),
    e(2, 600, 1000, 60),
  ];
  expect(profile(rows, 'mrsp', 'v_mrsp', 1500)).toEqual([
    { x: 100, to: 500, value: 40 },
    { x: 500, to: 1000, value: 80 },
    { x: 1000, to: 1500, value: 60 },
  ]);
  expect(profile([], 'mrsp', 'v_mrsp', 10)).toEqual([]);
});

it('counts the balises of a passage', () => {
  const g = (time: string, x: number, nid_bg: number, n_pig: number, packets = '') =>
    row(time, x, { nid_c: 886, nid_bg, n_pig, n_total: 1, packets });
  const groups = groupsOf([
    g('12:00:00', 10, 5, 0, '12'),
    g('12:00:00', 13, 5, 1),
    g('12:01:00', 900, 16382, 0),
    g('12:02:00', 2000, 5, 0),
  ]);
  expect(groups.map((x) => [x.group, x.read, x.of, x.known])).toEqual([
    [5, 2, 2, true],
    [16382, 1, 2, false],
    [5, 1, 2, true],
  ]);
  expect(nearestGroup(groups, 800)?.x).toBe(10);
  expect(nearestGroup([], 800)).toBeUndefined();
});

it('keeps the fastest sample of a second where it was', () => {
  const got = samplesOf([
    row('12:00:00', 10, { speed_kmh: 50 }),
    row('12:00:01', 20, { speed_kmh: 61 }),
    row('12:00:01', 35, { speed_kmh: 60 }),
    row('12:00:02', 50, { speed_kmh: null }),
    row('12:00:01', 51, { speed_kmh: 99 }),
    row('12:00:03', 60, { speed_kmh: 40 }),
    row('12:00:03', 70, { speed_kmh: 39 }),
  ]);
  expect(got.map((s) => [s.x, s.v])).toEqual([
    [10, 50],
    [20, 61],
    [50, null],
    [60, 40],
    [70, 39],
  ]);
});

it('finds the order of files that follow each other', () => {
  const rows = [
    { file: 'b', ...row('13:00:00', 9) },
    { file: 'b', ...row('13:30:00', 9) },
    { file: 'a', ...row('12:00:00', 1) },
    { file: 'a', time: null, location_m: null },
    { file: 'a', ...row('12:59:59', 9) },
  ];
  expect(spansOf(rows).map((s) => [s.file, s.to - s.from])).toEqual([
    ['a', 3599],
    ['b', 1800],
  ]);
});

it('joins a standstill that goes on in the next file', () => {
  const stop = (from: string, to: string, location_m: number, station_id: number | null = null) => ({
    time_from: '2024-11-15T' + from,
    time_to: '2024-11-15T' + to,
    location_m,
    station_id,
  });
  const got = stopsOf([
    stop('11:58:40', '11:59:57', 12_501),
    stop('12:00:01', '12:00:27', 12_502, 7),
    stop('12:00:30', '12:00:50', 12_600),
    stop('13:00:00', '13:00:30', 12_600),
  ]);
  expect(got.map((s) => [s.toT - s.t, s.station])).toEqual([
    [107, 7],
    [20, null],
    [30, null],
  ]);
});
