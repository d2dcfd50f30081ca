import { data, type Api } from '../../api/client';
import { asApiError, type ApiError } from '../../api/error';
import type { Changes } from '../../api/live.svelte';
import type { Decode, File } from '../../api/types';

/** A recording and the newest of its decodes. */
export interface Recording {
  file: File;
  decode?: Decode;
}

export type StatusFilter = '' | Decode['status'];

export interface RecordingQuery {
  name: string;
  status: StatusFilter;
}

const page = 100;
const together = 6;

/** Recordings, the newest first, as far as one has scrolled; what is new since then only counts until it is asked for. */
export class Recordings {
  list: Recording[] = $state.raw([]);
  error: ApiError | undefined = $state.raw();
  busy = $state(false);
  loaded = $state(false);
  /** Recordings that came since, which wait above the list. */
  fresh = $state(0);
  /** Decodes that were looked through for a name so far, while more of them are. */
  looked = $state(0);

  private query: RecordingQuery = { name: '', status: '' };
  private cursor: string | null = null;
  private running: AbortController | undefined;
  private known = new Set<string>();
  /** Under a state: files that count as new, and those of which an event told a name that fits. */
  private counted = new Set<string>();
  private named = new Set<string>();

  constructor(
    private api: Api,
    private size = page,
  ) {}

  get more(): boolean {
    return this.cursor !== null;
  }

  async load(query: RecordingQuery): Promise<void> {
    this.query = query;
    this.running?.abort();
    await this.fetch(undefined);
  }

  async next(): Promise<void> {
    if (this.cursor && !this.busy) await this.fetch(this.cursor);
  }

  stop(): void {
    this.running?.abort();
  }

  /** Takes what happened: what is shown changes in its place. */
  apply({ items, reset }: Changes): void {
    if (reset.has('file') || reset.has('decode')) {
      void this.load(this.query);
      return;
    }
    let list = this.list;
    for (const item of items.get('file') ?? []) {
      if (!item.id) continue;
      if (item.deleted) list = list.filter((r) => r.file.id !== item.id);
      else if (list.some((r) => r.file.id === item.id)) {
        list = list.map((r) => (r.file.id === item.id ? { ...r, file: item as unknown as File } : r));
      } else if (!this.fits(item.name ?? '')) continue;
      else if (this.query.status) this.named.add(item.id);
      else if (!this.known.has(item.id)) {
        this.known.add(item.id);
        this.fresh++;
      }
    }
    for (const item of items.get('decode') ?? []) {
      const decode = item as unknown as Decode;
      const { file_id: id, status } = decode;
      const fits = this.query.name === '' || this.named.has(id); // a decode does not tell the name of its file
      if (fits && status === this.query.status && !this.counted.has(id) && !list.some((r) => r.file.id === id)) {
        this.counted.add(id);
        this.fresh++;
      }
      list = list.map((r) => (r.file.id === id && (!r.decode || r.decode.id <= decode.id) ? { ...r, decode } : r));
    }
    this.list = list;
  }

  without(ids: ReadonlySet<string>): Recording[] {
    return ids.size === 0 ? this.list : this.list.filter((r) => !ids.has(r.file.id));
  }

  private fits(name: string): boolean {
    return name.toLowerCase().includes(this.query.name.toLowerCase());
  }

  private async fetch(after: string | undefined): Promise<void> {
    const mine = (this.running = new AbortController());
    this.busy = true;
    this.looked = 0;
    try {
      const { list, cursor } = this.query.status
        ? await this.byStatus(this.query.status, after, mine.signal)
        : await this.byFile(after, mine.signal);
      if (this.running !== mine) return;
      this.list = after ? [...this.list, ...list] : list;
      for (const r of list) this.known.add(r.file.id);
      this.cursor = cursor;
      this.error = undefined;
      this.loaded = true;
      if (!after) {
        this.fresh = 0;
        this.counted.clear();
        this.named.clear();
      }
    } catch (e) {
      if (this.running !== mine || mine.signal.aborted) return;
      this.error = asApiError(e);
    }
    this.busy = false;
    this.looked = 0;
  }

  private async byFile(after: string | undefined, signal: AbortSignal) {
    const query = { limit: this.size, cursor: after, name: this.query.name || undefined };
    const answer = await data(this.api.GET('/files', { params: { query }, signal }));
    // The newest decodes belong to the newest files: most are in one answer.
    const decodes = new Map<string, Decode>();
    if (!after) {
      const recent = await data(this.api.GET('/decodes', { params: { query: { limit: this.size } }, signal }));
      for (const d of recent.items) decodes.set(d.id, d);
    }
    const list = answer.items.map((file): Recording => ({ file, decode: decodes.get(file.decodes.at(-1) ?? '') }));
    await each(
      list.filter((r) => !r.decode && r.file.decodes.length > 0),
      async (r) => {
        const id = r.file.decodes.at(-1) ?? '';
        r.decode = await data(this.api.GET('/decodes/{id}', { params: { path: { id } }, signal })).catch(
          () => undefined,
        );
      },
    );
    return { list, cursor: answer.next_cursor };
  }

  /** Decodes cannot be asked for by the name of their file: they are looked through until there is a page of those that fit. */
  private async byStatus(status: Decode['status'], after: string | undefined, signal: AbortSignal) {
    const list: Recording[] = [];
    const seen = new Set(after ? this.list.map((r) => r.file.id) : []);
    const enough = this.query.name ? this.size : 1;
    for (let cursor = after; ;) {
      const query = { limit: this.size, cursor, status };
      const answer = await data(this.api.GET('/decodes', { params: { query }, signal }));
      const lot: (Recording | undefined)[] = [];
      await each(
        answer.items.map((decode, at) => ({ decode, at })),
        async ({ decode, at }) => {
          const path = { id: decode.file_id };
          const file = await data(this.api.GET('/files/{id}', { params: { path }, signal })).catch(() => undefined);
          if (file && this.fits(file.name)) lot[at] = { file, decode };
        },
      );
      signal.throwIfAborted();
      for (const r of lot) {
        if (!r || seen.has(r.file.id)) continue;
        seen.add(r.file.id);
        list.push(r);
      }
      if (!answer.next_cursor || list.length >= enough) return { list, cursor: answer.next_cursor };
      cursor = answer.next_cursor;
      this.looked += answer.items.length;
    }
  }
}

/** Does something for each, some at a time. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async () => {
    for (let i = next++; i < items.length; i = next++) await work(items[i] as T);
  };
  await Promise.all(Array.from({ length: together }, run));
}
