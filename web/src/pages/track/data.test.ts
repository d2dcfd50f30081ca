import { expect, it } from 'vitest';
import type { Table } from '../../api/types';
import { barLength, pathsOf, placesOf, project, shade } from './data';

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
