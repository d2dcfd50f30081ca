import { describe, expect, it } from 'vitest';
import type { Decode } from '../../api/types';
import { bestDecode, exportUrl, newestFirst } from './source';

const decode = (id: string, status: Decode['status'], minute: number) =>
  ({ id, status, created_at: `2024-11-15T12:0${minute}:00Z` }) as Decode;

describe('bestDecode', () => {
  const old = decode('d1', 'done', 1);
  const recent = decode('d2', 'partial', 2);
  const running = decode('d3', 'running', 3);

  it('is the newest with rows to show, whatever order they come in', () => {
    expect(bestDecode([old, recent, running])).toBe(recent);
    expect(bestDecode([running, recent, old])).toBe(recent);
  });
  it('is the newest if none has any', () => {
    expect(bestDecode([running, decode('d4', 'failed', 4)])?.id).toBe('d4');
    expect(bestDecode([])).toBeUndefined();
  });
  it('is none that shows sensitive values, unless there is no other', () => {
    const open = { ...decode('d5', 'done', 5), params: { reveal: true } } as Decode;
    expect(bestDecode([old, open])).toBe(old);
    expect(bestDecode([open])).toBe(open);
  });
  it('goes by id where two were made at once', () => {
    expect(newestFirst([decode('d1', 'done', 1), decode('d2', 'done', 1)]).map((d) => d.id)).toEqual(['d2', 'd1']);
  });
});

describe('exportUrl', () => {
  it('carries filters and order', () => {
    expect(exportUrl('d1', 'records', 'csv')).toBe('/api/v1/decodes/d1/tables/records.csv');
    const query = { where: ['speed:gt:60', 'name:contains:a b'], sort: { column: 'speed', descending: true } };
    expect(exportUrl('d1', 'records', 'csv', query)).toBe(
      '/api/v1/decodes/d1/tables/records.csv?where=speed%3Agt%3A60&where=name%3Acontains%3Aa+b&sort=speed&order=desc',
    );
  });
});
