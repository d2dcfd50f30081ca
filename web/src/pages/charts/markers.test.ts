import { expect, it, vi } from 'vitest';
import type { Api } from '../../api/client';
import type { Table } from '../../api/types';
import type { Source } from './data';
import {
  alongOf,
  loadMarkers,
  markedTable,
  markerRules,
  markersAt,
  markerTables,
  placeAt,
  placesBy,
  tellingColumns,
} from './markers';

const c = (name: string, type: string, role = '') => ({ name, type, role, unit: '', naive: true });
const table = (name: string, rows: number, ...columns: object[]) => ({ name, rows, columns }) as unknown as Table;
const records = table(
  'records',
  4,
  c('seq', 'i64'),
  c('offset', 'i64'),
  c('time', 'ts_us', 'time'),
  c('way', 'dec64(2)'),
);
const telegrams = table(
  'telegrams',
  2,
  c('seq', 'i64'),
  c('at', 'ts_us', 'time'),
  c('group', 'u16'),
  c('kind', 'enum8'),
);
const packets = table('packets', 9, c('seq', 'i64'), c('name', 'utf8'));
const issues = table('issues', 2, c('seq', 'i64'), c('offset', 'i64'));
const source = (decode: string) =>
  ({
    ref: decode + '.records',
    decode,
    table: 'records',
    file: 'f' + decode,
    name: decode,
    schema: records,
    tables: [records, telegrams, packets, issues],
  }) as Source;

/** Answers by the end of the path. */
function api(answers: Record<string, unknown>) {
  const GET = vi.fn((path: string) =>
    Promise.resolve({ response: { ok: true }, data: answers[path.split('/').at(-1) ?? ''] }),
  );
  return { GET: GET as unknown as Api['GET'], asked: GET } as unknown as Api & { asked: typeof GET };
}
const signal = new AbortController().signal;

it('knows which tables lie along the axis', () => {
  const s = source('d1');
  expect(markerTables(s, 'time').map((t) => t.name)).toEqual(['records', 'telegrams']);
  expect(alongOf(telegrams, s, 'time')?.name).toBe('at');
  expect(markerTables(s, 'seq').map((t) => t.name)).toEqual(['records']); // numbers of rows are of each table alone
  expect(markerTables(s, 'way').map((t) => t.name)).toEqual(['records']);
  expect(markedTable([s], 'time', 'd1.telegrams')?.[1].name).toBe('telegrams');
  expect(markedTable([s], 'time', 'd2.telegrams')).toBeUndefined();
  expect(markedTable([s], 'time', 'issues')).toBeUndefined();
  expect(tellingColumns(telegrams, 'at').map((x) => x.name)).toEqual(['kind', 'group']);
});

it('finds the row at or before an offset', () => {
  const drawn = {
    xs: [10, 20, 30],
    lines: { offset: { ys: [0, 200, 100] }, seq: { ys: [1, 3, 2] } },
    states: {},
    rows: 3,
    buckets: 0,
  };
  const places = placesBy(drawn, 'offset');
  expect(placeAt(places, 150)).toEqual({ x: 30, row: 2 });
  expect(placeAt(places, 999)).toEqual({ x: 20, row: 3 });
  expect(placeAt(places, -1)).toEqual({ x: 10, row: 1 });
  expect(placeAt(placesBy({ ...drawn, lines: {} }, 'offset'), 1)).toBeUndefined();
  const merged = { ...drawn, buckets: 3, lines: { offset: { ys: [90, 190, null], low: [0, 100, null] } } };
  expect(placeAt(placesBy(merged, 'offset'), 99)).toEqual({ x: 10, row: null, bucket: { least: 0, from: 10, to: 20 } });
  expect(placeAt(placesBy(merged, 'offset'), 199)?.bucket).toEqual({ least: 100, from: 20, to: 30 });
  const back = { ...merged, lines: { offset: { ys: [90, 190, null], low: [0, 100, null], high: [110, 190, null] } } };
  expect(placeAt(placesBy(back, 'offset'), 105)?.bucket).toEqual({ least: 100, from: -Infinity, to: Infinity });
});

it('puts issues at their rows, with a link there', async () => {
  const issue = (severity: string, row: number | null, offset: number | null, of: string | null = null) => ({
    severity,
    row,
    offset,
    table: of,
    code: 'bad',
    message: 'm',
  });
  const a = api({
    issues: {
      items: [issue('error', 2, null, 'records'), issue('info', null, 15), issue('warning', null, null)],
      total: 2310,
      next_cursor: 'x',
    },
    series: {
      x: ['1970-01-01T00:00:01', '1970-01-01T00:00:02'],
      rows: 2,
      buckets: 0,
      series: [
        { name: 'offset', last: [0, 10], min: [], max: [] },
        { name: 'seq', last: [1, 2], min: [], max: [] },
      ],
    },
  });
  // Two tables of one decode have the same issues.
  const got = await loadMarkers(a, [source('d1'), source('d1')], 'time', 'issues', undefined, signal);
  expect(got.total).toBe(2310);
  expect(got.unplaced).toBe(1);
  expect(got.list.map((m) => [m.x, m.severity, m.row, m.href])).toEqual([
    [2, 'error', 1, '/files/fd1/records?d=d1&row=1'],
    [2, 'info', 1, '/files/fd1/records?d=d1&row=1&at=15'],
  ]);
  expect(markerRules(got.list, [0.5]).map((r) => [r.x, r.tone, r.shape])).toEqual([
    [1.5, 'bad', 'error'],
    [1.5, 'dim', 'info'],
  ]);
});

it('reads rows of a table, of a stretch where it is told one', async () => {
  const a = api({
    rows: {
      rows: [
        ['1970-01-01T00:00:05', 'balise', 7],
        [null, 'balise', 8],
        ['1970-01-01T00:00:03', null, 9],
      ],
      row_numbers: [40, 41, 42],
      total: 900,
    },
  });
  const got = await loadMarkers(a, [source('d1'), source('d2')], 'time', 'd2.telegrams', [1, 9], signal);
  expect(got.list.map((m) => [m.x, m.source, m.text, m.href])).toEqual([
    [3, 1, 'group 9', '/files/fd2/telegrams?d=d2&row=42'],
    [5, 1, 'kind balise, group 7', '/files/fd2/telegrams?d=d2&row=40'],
  ]);
  expect([got.total, got.unplaced]).toEqual([900, 1]);
  const asked = a.asked.mock.calls[0] as unknown as [string, { params: { query: { where: string[] } } }];
  expect(asked[1].params.query.where).toEqual(['at:ge:1970-01-01T00:00:01.000', 'at:le:1970-01-01T00:00:09.000']);
});

it('names what lies at the cursor', () => {
  const mark = (x: number, of: number) => ({ x, source: of, text: `${x}`, table: 't', href: '' });
  const list = [mark(10, 0), mark(110, 1), mark(14, 0)];
  const at = (x: number | null) => markersAt(list, [0, 100], x, 1).map((m) => m.text);
  expect(at(10.5)).toEqual(['10', '110']);
  expect(at(12)).toEqual([]);
  expect(at(null)).toEqual([]);
});
