// What a batch gives to its page: its files in one list, its combined tables as a grid reads them, how a new one is planned.

import { data, type Api } from '../../api/client';
import type { BatchDetail, BatchTable, Column, File as Recording, NewBatch } from '../../api/types';
import type { BatchPlan } from '../../uploads/uploads.svelte';
import type { GridQuery, GridSource, GridWindow } from '../../ui/grid/types';

/** A file of a batch and how it stands. */
export interface BatchEntry {
  /** A file may be in a batch more than once, so its id would not do as a key. */
  key: string;
  file: string;
  name: string;
  decode: string | null;
  state: 'failed' | 'cancelled' | 'running' | 'queued' | 'partial' | 'done';
  error?: { code: string; message: string; offset?: number | null };
}

/** All files: those that failed come first, then those that go on, then those that are there; each in the batch's order. */
export function entries(batch: BatchDetail): BatchEntry[] {
  const list: Omit<BatchEntry, 'key'>[] = [
    ...batch.errors.map((f) => ({
      file: f.file_id,
      name: f.name,
      decode: f.decode_id,
      state: f.error.code === 'cancelled' || f.error.code === '' ? ('cancelled' as const) : ('failed' as const),
      error: f.error,
    })),
    ...batch.pending.map((f) => ({
      file: f.file_id,
      name: f.name,
      decode: f.decode_id,
      state: f.decode_id ? ('running' as const) : ('queued' as const),
    })),
    ...batch.results.map((f) => ({
      file: f.file_id,
      name: f.name,
      decode: f.decode_id,
      state: f.partial ? ('partial' as const) : ('done' as const),
    })),
  ];
  const seen = new Map<string, number>();
  return list.map((f) => {
    const times = seen.get(f.file) ?? 0;
    seen.set(f.file, times + 1);
    return { ...f, key: times === 0 ? f.file : `${f.file}.${times}` };
  });
}

/** How many files one chart takes: more lines than these nobody tells apart. */
export const charted = 8;

/** The address of a chart of one table of several files. */
export function chartUrl(batch: BatchDetail, table: string): string {
  const refs = batch.results.slice(0, charted).map((r) => 'd=' + encodeURIComponent(`${r.decode_id}.${table}`));
  return '/charts?' + refs.join('&');
}

/** The table that is most worth a chart: one with a speed, else one with a time or position. */
export function chartTable(tables: readonly BatchTable[]): BatchTable | undefined {
  const withRows = tables.filter((t) => t.rows > 0);
  for (const role of ['speed', 'value', 'position']) {
    const best = withRows
      .filter((t) => t.columns.some((c) => c.role === role))
      .sort((a, b) => b.rows - a.rows)
      .at(0);
    if (best) return best;
  }
  return undefined;
}

/** A table of all files of a batch, as a grid reads it. Columns that are not the same in all files are left out. */
export class BatchSource implements GridSource {
  readonly sortable = false; // rows of one file after those of another
  readonly key: string;
  readonly columns: Column[];
  readonly rows: number;

  constructor(
    private api: Api,
    readonly batch: string,
    readonly table: BatchTable,
    readonly revealed = false,
  ) {
    this.key = `wayside.grid.batch.${table.name}`;
    this.columns = table.columns.filter((c) => !table.conflicts.includes(c.name));
    this.rows = table.rows;
  }

  async window(query: GridQuery, offset: number, limit: number, signal: AbortSignal): Promise<GridWindow> {
    const answer = await data(
      this.api.GET('/batches/{id}/tables/{table}/rows', {
        params: {
          path: { id: this.batch, table: this.table.name },
          query: {
            columns: this.named(),
            where: query.where.length > 0 ? [...query.where] : undefined,
            q: query.q || undefined,
            offset,
            limit,
            count: true,
            row_numbers: true,
            int64: 'string',
          },
        },
        querySerializer: { array: { style: 'form', explode: true } },
        signal,
      }),
    );
    return { rows: answer.rows as unknown[][], numbers: answer.row_numbers ?? [], total: answer.total };
  }

  /** The table in a form, with the filters that hold. */
  exportUrl(format: string, query: GridQuery): string {
    const search = new URLSearchParams(query.where.map((w) => ['where', w]));
    const columns = this.named();
    if (columns) search.set('columns', columns.join());
    const text = search.toString();
    const table = encodeURIComponent(this.table.name);
    return `/api/v1/batches/${encodeURIComponent(this.batch)}/tables/${table}.${format}${text ? '?' + text : ''}`;
  }

  private named(): string[] | undefined {
    return this.table.conflicts.length > 0 ? [this.columns.map((c) => c.name).join()] : undefined;
  }
}

export interface BatchOptions {
  name: string;
  decoder: string;
  params: Record<string, unknown>;
  concurrency: number | undefined;
  timeout: number | undefined;
  combine: boolean;
}

/** The files of a batch that were decoded, as one recording, which is decoded as they were. */
export function asOne(batch: BatchDetail): NewBatch {
  return {
    name: batch.name,
    file_ids: batch.results.map((r) => r.file_id),
    decoder: batch.decoder ?? undefined,
    params: batch.params,
    timeout_per_file: batch.timeout_per_file,
    combine: true,
  };
}

/** In the order in which they came, which is the one in which the files of one recording are joined. */
export function oldestFirst(files: readonly Recording[]): Recording[] {
  const at = (f: Recording) => Date.parse(f.created_at ?? '') || 0;
  return [...files].sort((a, b) => at(a) - at(b) || a.name.localeCompare(b.name, undefined, { numeric: true }));
}

export const isArchive = (name: string) => /\.(zip|tar|tgz|tar\.(gz|zst|xz|bz2)|tzst)$/i.test(name);

/** What uploads need to make a batch by themselves: of files as they come, else of so many parts at once. */
export function planOf(o: BatchOptions, archive: boolean, files: number): BatchPlan {
  return {
    key: Date.now().toString(36) + Math.random().toString(36).slice(2),
    body: {
      name: o.name || undefined,
      decoder: o.decoder || undefined,
      params: o.params,
      concurrency: o.concurrency,
      timeout_per_file: o.timeout,
      combine: o.combine || undefined,
    },
    ...(archive || o.combine ? { archive, parts: Array<null>(files).fill(null) } : {}),
  };
}
