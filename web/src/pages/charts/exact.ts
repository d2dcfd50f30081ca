// Issues of a table with more rows than a series has points lie where a bucket of many rows begins. Here each gets the place
// of its own row, once the difference would be seen.

import { data, type Api } from '../../api/client';
import { xNumber, type Source } from './data';
import { alongOf, placed, type Marker } from './markers';

/** As many as are asked for before those that were found are drawn. */
export const exactAtOnce = 40;
const together = 4; // requests

/** Those that are seen and drawn more than a pixel from where they may be. */
export function roughIn(
  list: readonly Marker[],
  shifts: readonly number[],
  [from, to]: readonly [number, number],
  pixels: number,
): Marker[] {
  return list.filter(({ source, rough }) => {
    const shift = shifts[source] ?? 0;
    return (
      rough && rough.to - rough.from > (to - from) / pixels && rough.to - shift >= from && rough.from - shift <= to
    );
  });
}

/** Each with its exact place; one whose row has none keeps the place that it had. */
export async function exactly(
  api: Api,
  sources: readonly Source[],
  x: string,
  list: readonly Marker[],
  signal: AbortSignal,
): Promise<Map<Marker, Marker>> {
  const found = new Map<Marker, Marker>();
  for (let i = 0; i < list.length; i += together) {
    await Promise.all(
      list.slice(i, i + together).map(async (m) => found.set(m, await exactOf(api, sources, x, m, signal))),
    );
  }
  return found;
}

async function exactOf(
  api: Api,
  sources: readonly Source[],
  x: string,
  { rough, ...marker }: Marker,
  signal: AbortSignal,
): Promise<Marker> {
  const source = sources[marker.source];
  const table = source?.tables.find((t) => t.name === marker.table);
  const along = source && table && alongOf(table, source, x);
  if (!rough || !along) return marker;
  const { by, key, least } = rough;
  // The bucket has a row at its least key, so the row at the key or before it is not before that one.
  const where = [`${by}:le:${key}`, `${by}:ge:${Math.min(least, key)}`, `${along.name}:is_null:false`];
  const answer = await data(
    api.GET('/decodes/{id}/tables/{table}/rows', {
      params: {
        path: { id: source.decode, table: table.name },
        query: { columns: [along.name], where, sort: by, order: 'desc', limit: 1, row_numbers: true },
      },
      querySerializer: { array: { style: 'form', explode: true } },
      signal,
    }),
  );
  const row = answer.rows[0] as unknown[] | undefined;
  if (!row) return marker;
  const own = by === 'seq' ? {} : placed(source, table, answer.row_numbers?.[0], key);
  return { ...marker, ...own, x: xNumber(along, row[0]) };
}
