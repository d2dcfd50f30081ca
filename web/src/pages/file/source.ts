import { data, type Api } from '../../api/client';
import type { Decode, Table } from '../../api/types';
import type { GridQuery, GridSource, GridWindow } from '../../ui/grid/types';

/** A table of a decode, as a grid reads it. */
export class TableSource implements GridSource {
  readonly sortable = true;
  readonly key: string;
  readonly columns: Table['columns'];
  readonly rows: number;

  constructor(
    private api: Api,
    readonly decode: string,
    decoder: string,
    readonly table: Table,
    readonly revealed = false,
  ) {
    this.key = `wayside.grid.${decoder}.${table.name}`;
    this.columns = table.columns;
    this.rows = table.rows;
  }

  async window(query: GridQuery, offset: number, limit: number, signal: AbortSignal): Promise<GridWindow> {
    const answer = await data(
      this.api.GET('/decodes/{id}/tables/{table}/rows', {
        params: {
          path: { id: this.decode, table: this.table.name },
          query: { ...asked(query), offset, limit, count: true, row_numbers: true, int64: 'string' },
        },
        querySerializer: { array: { style: 'form', explode: true } },
        signal,
      }),
    );
    return { rows: answer.rows as unknown[][], numbers: answer.row_numbers ?? [], total: answer.total };
  }

  async position(query: GridQuery, row: number, signal: AbortSignal): Promise<{ offset: number; found: boolean }> {
    const answer = await data(
      this.api.GET('/decodes/{id}/tables/{table}/rows', {
        params: {
          path: { id: this.decode, table: this.table.name },
          query: { ...asked(query), limit: 1, position_of: row, int64: 'string' },
        },
        querySerializer: { array: { style: 'form', explode: true } },
        signal,
      }),
    );
    return answer.position ?? { offset: 0, found: false };
  }
}

function asked(query: GridQuery) {
  return {
    where: query.where.length > 0 ? [...query.where] : undefined,
    q: query.q || undefined,
    sort: query.sort?.column,
    order: query.sort ? (query.sort.descending ? ('desc' as const) : ('asc' as const)) : undefined,
  };
}

/** The address of a table in a form, with the filters that hold. */
export function exportUrl(decode: string, table: string, format: string, query?: GridQuery): string {
  const search = new URLSearchParams();
  for (const w of query?.where ?? []) search.append('where', w);
  if (query?.sort) {
    search.set('sort', query.sort.column);
    search.set('order', query.sort.descending ? 'desc' : 'asc');
  }
  const text = search.toString();
  return `/api/v1/decodes/${encodeURIComponent(decode)}/tables/${encodeURIComponent(table)}.${format}${text ? '?' + text : ''}`;
}

/** A decode whose tables have sensitive values as they are. */
export const isRevealed = (decode: Pick<Decode, 'params'> | undefined) => decode?.params?.['reveal'] === true;

/**
 * The newest decode that has something to show comes first; else the newest. One with sensitive values is shown only to who
 * asks for it, unless there is no other.
 */
export function bestDecode(decodes: readonly Decode[]): Decode | undefined {
  const hidden = decodes.filter((d) => !isRevealed(d));
  const newest = newestFirst(hidden.length > 0 ? hidden : decodes);
  return newest.find((d) => d.status === 'done' || d.status === 'partial') ?? newest[0];
}

export function newestFirst(decodes: readonly Decode[]): Decode[] {
  return [...decodes].sort(
    (a, b) => (b.created_at ?? '').localeCompare(a.created_at ?? '') || b.id.localeCompare(a.id),
  );
}
