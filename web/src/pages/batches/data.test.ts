import { expect, it } from 'vitest';
import type { Api } from '../../api/client';
import type { BatchDetail, BatchTable } from '../../api/types';
import { asOne, BatchSource, chartTable, chartUrl, entries, isArchive, planOf } from './data';

const failure = (code: string) => ({ code, message: 'why', offset: null });
const batch = {
  id: 'b1',
  results: [
    { file_id: 'f1', decode_id: 'd1', name: '1.RU', partial: false, success: true },
    { file_id: 'f2', decode_id: 'd2', name: '2.RU', partial: true, success: true },
    { file_id: 'f1', decode_id: 'd1', name: '1.RU', partial: false, success: true },
  ],
  errors: [
    { file_id: 'f3', decode_id: null, name: 'x', error: failure('unknown_format'), success: false },
    { file_id: 'f4', decode_id: null, name: 'y', error: failure('cancelled'), success: false },
  ],
  pending: [
    { file_id: 'f5', decode_id: null, name: 'z' },
    { file_id: 'f6', decode_id: 'd6', name: 'w' },
  ],
} as unknown as BatchDetail;
const table = (name: string, rows: number, roles: string[], conflicts: string[] = []) =>
  ({ name, rows, conflicts, columns: roles.map((role, i) => ({ name: 'c' + i, role })) }) as unknown as BatchTable;

it('lists what failed first, and tells twins apart', () => {
  const list = entries(batch);
  expect(list.map((e) => e.state)).toEqual(['failed', 'cancelled', 'queued', 'running', 'done', 'partial', 'done']);
  expect(list.map((e) => e.key)).toEqual(['f3', 'f4', 'f5', 'f6', 'f1', 'f2', 'f1.1']);
});

it('makes one recording of the files, which is decoded as they were', () => {
  const of = { ...batch, name: 'day', decoder: 'rail', params: { width: '4' }, timeout_per_file: 30 };
  expect(asOne(of)).toEqual({
    name: 'day',
    file_ids: ['f1', 'f2', 'f1'],
    decoder: 'rail',
    params: { width: '4' },
    timeout_per_file: 30,
    combine: true,
  });
  expect(JSON.parse(JSON.stringify(asOne({ ...of, decoder: null })))).not.toHaveProperty('decoder');
});

it('charts the table with a speed, else with a position', () => {
  const tables = [
    table('a', 90, ['position']),
    table('b', 5, ['speed']),
    table('c', 9, ['speed']),
    table('d', 99, ['']),
  ];
  expect(chartTable(tables)?.name).toBe('c');
  expect(chartTable([table('none', 0, ['speed']), table('a', 1, ['position'])])?.name).toBe('a');
  expect(chartTable([table('d', 99, [''])])).toBeUndefined();
  expect(chartUrl(batch, 'c')).toBe('/charts?d=d1.c&d=d2.c&d=d1.c');
});

it('asks for no column that differs between files', async () => {
  let asked: unknown;
  const api = {
    GET: (_path: string, options: { params: { query: unknown } }) => {
      asked = options.params.query;
      return Promise.resolve({ data: { rows: [[1]], row_numbers: [7], total: 8 }, response: new Response() });
    },
  } as unknown as Api;
  const source = new BatchSource(api, 'b1', table('t', 8, ['', '', ''], ['c1']));
  expect(source.columns.map((c) => c.name)).toEqual(['c0', 'c2']);
  expect(await source.window({ where: ['c0:gt:1'] }, 5, 10, new AbortController().signal)).toEqual({
    rows: [[1]],
    numbers: [7],
    total: 8,
  });
  expect(asked).toMatchObject({ columns: ['c0,c2'], where: ['c0:gt:1'], offset: 5, limit: 10 });
  expect(source.exportUrl('csv', { where: ['c0:gt:1'] })).toBe(
    '/api/v1/batches/b1/tables/t.csv?where=c0%3Agt%3A1&columns=c0%2Cc2',
  );
});

it('knows archives by their names', () => {
  expect(['a.zip', 'b.TAR.GZ', 'c.tgz', 'd.tar'].every(isArchive)).toBe(true);
  expect(['a.RU', 'zip', 'a.gz'].some(isArchive)).toBe(false);
});

it('plans a batch with all that was said of it', () => {
  const options = { name: 'day', decoder: 'rail', params: { a: 1 }, concurrency: 2, timeout: 5, combine: false };
  const one = planOf(options, false, 2);
  expect(one.body).toEqual({ name: 'day', decoder: 'rail', params: { a: 1 }, concurrency: 2, timeout_per_file: 5 });
  expect(one.parts).toBeUndefined();
  expect(planOf({ ...options, combine: true }, false, 2)).toMatchObject({
    body: { combine: true },
    parts: [null, null],
  });
  expect(planOf(options, true, 1)).toMatchObject({ archive: true, parts: [null] });
  expect(planOf(options, false, 2).key).not.toBe(one.key);
});
