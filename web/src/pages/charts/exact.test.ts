import { expect, it, vi } from 'vitest';
import type { Api } from '../../api/client';
import type { Table } from '../../api/types';
import type { Source } from './data';
import { exactly, roughIn } from './exact';
import { loadMarkers, type Marker } from './markers';

const c = (name: string, type: string, role = '') => ({ name, type, role, unit: '', naive: true });
const records = {
  name: 'records',
  rows: 3_000_000,
  columns: [c('seq', 'i64'), c('offset', 'i64'), c('time', 'ts_us', 'time')],
} as unknown as Table;
const source = {
  ref: 'd1.records',
  decode: 'd1',
  table: 'records',
  file: 'f1',
  name: 'one',
  schema: records,
  tables: [records],
} as Source;
const issue = (row: number | null, offset: number | null) => ({
  severity: 'error',
  row,
  offset,
  table: row === null ? null : 'records',
  code: 'bad',
  message: 'm',
});
const buckets = {
  x: ['1970-01-01T00:00:00', '1970-01-01T00:01:40', '1970-01-01T00:03:20'],
  rows: 3_000_000,
  buckets: 3,
  series: [
    { name: 'offset', last: [990, 1990, 2990], min: [0, 1000, 2000], max: [990, 1990, 2990] },
    { name: 'seq', last: [100, 200, 300], min: [1, 101, 201], max: [100, 200, 300] },
  ],
};
interface Query {
  columns: string[];
  where: string[];
  sort: string;
  order: string;
  limit: number;
}

function world(rows: (where: string[]) => { rows: unknown[][]; row_numbers: number[] }) {
  const asked: Query[] = [];
  const GET = vi.fn((path: string, o: { params: { query: Query }; signal: AbortSignal }) => {
    o.signal.throwIfAborted();
    if (path.endsWith('/issues')) {
      const items = [issue(150, null), issue(null, 2105)];
      return Promise.resolve({ response: { ok: true }, data: { items, total: 2, next_cursor: null } });
    }
    if (path.endsWith('/series')) return Promise.resolve({ response: { ok: true }, data: buckets });
    asked.push(o.params.query);
    return Promise.resolve({ response: { ok: true }, data: rows(o.params.query.where) });
  });
  return { api: { GET } as unknown as Api, asked };
}
const signal = new AbortController().signal;

it('has issues of a large table at their own rows, each by one small question', async () => {
  const { api, asked } = world((where) =>
    where[0]?.startsWith('seq')
      ? { rows: [['1970-01-01T00:02:29']], row_numbers: [149] }
      : { rows: [['1970-01-01T00:03:31']], row_numbers: [210] },
  );
  const { list } = await loadMarkers(api, [source], 'time', 'issues', undefined, signal);
  expect(list.map((m) => m.x)).toEqual([100, 200]); // where their buckets begin
  expect(roughIn(list, [0], [0, 300], 2)).toEqual([]); // a pixel holds a bucket
  expect(roughIn(list, [0], [120, 160], 400)).toEqual([list[0]]);
  expect(roughIn(list, [90], [120, 160], 400)).toEqual([list[1]]); // moved to the start of its recording
  const found = await exactly(api, [source], 'time', list, signal);
  expect(list.map((m) => found.get(m)).map((m) => [m?.x, m?.rough, m?.row, m?.href])).toEqual([
    [149, undefined, 149, '/files/f1/records?d=d1&row=149'],
    [211, undefined, 210, '/files/f1/records?d=d1&row=210&at=2105'],
  ]);
  expect(asked[1]).toMatchObject({ columns: ['time'], sort: 'offset', order: 'desc', limit: 1 });
  expect(asked.map((q) => q.where)).toEqual([
    ['seq:le:150', 'seq:ge:101', 'time:is_null:false'],
    ['offset:le:2105', 'offset:ge:2000', 'time:is_null:false'],
  ]);
});

it('leaves an issue whose row has no place where it was, and does not ask again', async () => {
  const { api } = world(() => ({ rows: [], row_numbers: [] }));
  const { list } = await loadMarkers(api, [source], 'time', 'issues', undefined, signal);
  const found = await exactly(api, [source], 'time', list, signal);
  const after = list.map((m) => found.get(m) as Marker);
  expect(after.map((m) => m.x)).toEqual([100, 200]);
  expect(roughIn(after, [0], [0, 300], 4000)).toEqual([]);
});

it('asks for nothing more once it is cancelled', async () => {
  const stop = new AbortController();
  const { api, asked } = world(() => (stop.abort(), { rows: [['1970-01-01T00:02:29']], row_numbers: [149] }));
  const { list } = await loadMarkers(api, [source], 'time', 'issues', undefined, signal);
  const many = Array.from({ length: 40 }, () => ({ ...(list[0] as Marker) }));
  await expect(exactly(api, [source], 'time', many, stop.signal)).rejects.toThrow();
  expect(asked.length).toBeLessThan(5);
});
