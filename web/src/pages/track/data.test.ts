import { expect, it } from 'vitest';
import type { Table } from '../../api/types';
import { barLength, degreesOf, frameOf, gripOf, movedView, pathsOf, placesOf, project, shade } from './data';

const c = (name: string, type = 'f64', role = '') => ({ name, type, role }) as unknown as Table['columns'][number];
const table = (...columns: Table['columns']) => ({ name: 't', columns }) as unknown as Table;

it('finds positions', () => {
  expect(placesOf(table(c('Latitude'), c('Longitude')))).toEqual({ kind: 'map', columns: ['Latitude', 'Longitude'] });
  expect(placesOf(table(c('a', 'f64', 'latitude'), c('b', 'f64', 'longitude'), c('lat'), c('lon')))?.columns).toEqual([
    'a',
    'b',
  ]);
  expect(placesOf(table(c('location_m', 'dec64(2)', 'position')))).toEqual({ kind: 'line', columns: ['location_m'] });
  expect(placesOf(table(c('lat', 'utf8'), c('x')))).toBeUndefined();
});

it('is true to scale', () => {
  const [a, b, none] = project([50, 50.01, 0], [8, 8, 0]);
  expect(none).toBeNull();
  expect(a!.y - b!.y).toBeCloseTo(1111.95, 1);
  const [p, q] = project([60, 60], [10, 10.01]);
  expect(q!.x - p!.x).toBeCloseTo(1111.95 * Math.cos(Math.PI / 3), 1);
  expect(project([null], [null])).toEqual([null]);
});

it('colours by value, and leaves gaps', () => {
  expect([shade(0, 0, 70), shade(69, 0, 70), shade(70, 0, 70), shade(null, 0, 70), shade(5, 5, 5)]).toEqual([
    0, 6, 6, -1, 0,
  ]);
  const at = (x: number, value: number | null) => ({ t: 0, x, y: 0, value });
  const paths = pathsOf([at(0, 0), at(1, 0), at(2, 70), null, at(9, null), at(10, null)], 0, 70);
  expect(paths.map((p) => [p.shade, p.d])).toEqual([
    [-1, 'M9.0 0.0L10.0 0.0'],
    [0, 'M0.0 0.0L1.0 0.0'],
    [6, 'M1.0 0.0L2.0 0.0'],
  ]);
});

it('makes a round scale bar', () => {
  expect([barLength(999), barLength(260), barLength(100), barLength(0.3)]).toEqual([500, 200, 100, 0.2]);
});

it('tells degrees of a place', () => {
  const [lat, lon] = [
    [60, 60.5, null],
    [10, 11, 5],
  ];
  const frame = frameOf(lat, lon)!;
  const [, p] = project(lat, lon, frame);
  expect(degreesOf(frame, p!).lat).toBeCloseTo(60.5, 9);
  expect(degreesOf(frame, p!).lon).toBeCloseTo(11, 9);
  expect(frameOf([0], [0])).toBeUndefined();
});

it('keeps what lies under the pointer or the fingers there', () => {
  const scale = { x: 2, y: -4 };
  const under = (v: { x: number; y: number; z: number }, s: { x: number; y: number }) => [
    v.x + s.x / (scale.x * v.z),
    v.y + s.y / (scale.y * v.z),
  ];
  const v = { x: 5, y: 7, z: 4 };
  const [from, to] = [gripOf([{ x: 0, y: 0 }, { x: 60, y: 80 }]), gripOf([{ x: -20, y: 10 }, { x: 100, y: 170 }])]; // prettier-ignore
  expect(from).toEqual({ x: 30, y: 40, span: 100 });
  const after = movedView(v, from, to, to.span / from.span, scale);
  expect(after.z).toBe(8);
  expect(under(after, to)).toEqual(under(v, from));
  // No further than it goes, and not away from the pointer then.
  expect(movedView({ ...v, z: 10_000 }, from, from, 2, scale)).toEqual({ ...v, z: 10_000 });
  expect(gripOf([{ x: 3, y: 4 }])).toEqual({ x: 3, y: 4, span: 1 });
});
