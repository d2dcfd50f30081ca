import type { Upload } from 'tus-js-client';
import { ApiError } from '../api/error';
import { isClutter, type Found } from './collect';
import { UnfinishedList, type Unfinished } from './unfinished';

export type UploadState = 'waiting' | 'running' | 'paused' | 'offline' | 'done' | 'failed';

/** One file on its way. */
export class UploadItem {
  state: UploadState = $state('waiting');
  sent = $state(0);
  /** Bytes a second, over the last seconds. */
  rate = $state(0);
  error: ApiError | undefined = $state.raw();
  fileId: string | undefined = $state();
  running: Upload | undefined;
  private samples: [number, number][] = [];

  constructor(
    readonly id: number,
    readonly file: File,
    readonly path: string,
  ) {}

  get left(): number | undefined {
    return this.rate > 0 ? (this.file.size - this.sent) / this.rate : undefined;
  }

  progress(sent: number, now = performance.now()): void {
    this.sent = sent;
    this.samples.push([now, sent]);
    while (this.samples.length > 2 && now - (this.samples[0]?.[0] ?? now) > 3000) this.samples.shift();
    const [t, s] = this.samples[0] ?? [now, sent];
    this.rate = now > t ? ((sent - s) / (now - t)) * 1000 : 0;
  }

  still(): void {
    this.samples = [];
    this.rate = 0;
  }
}

export interface UploadOptions {
  decoder?: string;
  params?: Record<string, string>;
  batch?: string;
}

const together = 3;
const endpoint = '/api/v1/uploads';
const chunk = 64 << 20; // of a request: what is sent again at most when a connection dies without a word
const stays = 5000; // ms that a finished one stays in the list
const listed = 500; // items that are made into rows; the rest only counts

/**
 * Everything that is being uploaded, whichever page is open. Uploads speak tus: what was received is never sent again, also
 * after a reload once the same file is chosen. A file is read piece by piece as it is sent, never as a whole.
 */
export class Uploads {
  items: UploadItem[] = $state.raw([]);
  /** Left behind by an earlier visit. */
  unfinished: Unfinished[] = $state.raw([]);
  /** Files looked through in what was dropped, while that goes on. */
  collecting = $state(0);
  /** Counts up with each that has become a recording. */
  finished = $state(0);
  readonly active = $derived(this.items.filter((i) => i.state !== 'done' && i.state !== 'failed').length);
  readonly shown = $derived(this.items.slice(0, listed));
  readonly total = $derived(this.items.reduce((sum, i) => sum + i.file.size, 0));
  readonly sent = $derived(this.items.reduce((sum, i) => sum + i.sent, 0));
  readonly rate = $derived(this.items.reduce((sum, i) => sum + i.rate, 0));

  private next = 1;
  private options = new Map<UploadItem, UploadOptions>();
  private readonly kept: UnfinishedList;

  constructor(storage: Pick<Storage, 'getItem' | 'setItem'> | undefined) {
    this.kept = new UnfinishedList(storage);
    this.unfinished = this.kept.all();
  }

  async add(found: AsyncIterable<Found> | Iterable<Found>, options: UploadOptions = {}): Promise<number> {
    let lot: UploadItem[] = [];
    let count = 0;
    let shown = performance.now();
    const flush = () => {
      this.items = [...this.items, ...lot];
      lot = [];
      this.work();
    };
    for await (const { file, path } of found) {
      if (isClutter(path)) continue;
      const item = new UploadItem(this.next++, file, path);
      this.options.set(item, options);
      lot.push(item);
      this.collecting = ++count;
      if (performance.now() - shown > 100) {
        flush();
        await new Promise((ok) => setTimeout(ok)); // others have their turn
        shown = performance.now();
      }
    }
    this.collecting = 0;
    flush();
    return count;
  }

  pause(item: UploadItem): void {
    if (item.state !== 'running' && item.state !== 'waiting' && item.state !== 'offline') return;
    item.state = 'paused';
    item.still();
    void item.running?.abort();
    this.work();
  }

  resume(item: UploadItem): void {
    if (item.state !== 'paused' && item.state !== 'failed') return;
    item.state = 'waiting';
    item.error = undefined;
    this.work();
  }

  /** Ends it, here and on the appliance. */
  cancel(item: UploadItem): void {
    const url = item.running?.url ?? this.before(item)?.url;
    void item.running?.abort(url !== undefined && url !== null).catch(() => undefined);
    if (url) this.forget(url);
    this.remove(item);
  }

  remove(item: UploadItem): void {
    this.options.delete(item);
    this.items = this.items.filter((i) => i !== item);
    this.work();
  }

  cancelAll(): void {
    for (const item of this.items) if (item.state !== 'done') this.cancel(item);
  }

  dismissFailed(): void {
    this.items = this.items.filter((i) => i.state !== 'failed');
  }

  /** Gives up what an earlier visit has left on the appliance. */
  async discard(one: Unfinished): Promise<void> {
    this.forget(one.url);
    await fetch(one.url, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } }).catch(() => undefined); // it expires anyway
  }

  /** The appliance is there again. */
  online(): void {
    for (const item of this.items) if (item.state === 'offline') item.state = 'waiting';
    this.work();
  }

  /** What an earlier try, here or before a reload, has left of this file, and nobody else goes on with. */
  private before(item: UploadItem): Unfinished | undefined {
    const others = this.items.filter((i) => i !== item && i.running?.url);
    return this.kept.find(item.file, item.path, new Set(others.map((i) => i.running?.url ?? '')));
  }

  private forget(url: string): void {
    this.kept.remove(url);
    this.unfinished = this.kept.all();
  }

  private work(): void {
    let free = together - this.items.filter((i) => i.state === 'running').length;
    for (const item of this.items) {
      if (free <= 0) return;
      if (item.state !== 'waiting') continue;
      item.state = 'running';
      free--;
      void this.start(item);
    }
  }

  private async start(item: UploadItem): Promise<void> {
    let tus: typeof import('tus-js-client');
    try {
      tus = await import('tus-js-client');
    } catch {
      this.failed(item, new ApiError(0, {}));
      return;
    }
    if (item.state !== 'running') return;
    const before = this.before(item);
    const options = this.options.get(item) ?? {};
    const metadata: Record<string, string> = {
      filename: item.path,
      filetype: item.file.type || 'application/octet-stream',
    };
    if (options.decoder) metadata['decoder'] = options.decoder;
    if (options.batch) metadata['batch'] = options.batch;
    for (const [name, value] of Object.entries(options.params ?? {})) metadata['param.' + name] = value;
    const upload = new tus.Upload(item.file, {
      endpoint,
      uploadUrl: before?.url ?? null,
      metadata,
      chunkSize: chunk,
      storeFingerprintForResuming: false, // UnfinishedList keeps what is needed, and for people to see
      retryDelays: [0, 1000, 3000, 5000],
      removeFingerprintOnSuccess: true,
      onUploadUrlAvailable: () => {
        if (upload.url) {
          this.kept.add({
            name: item.file.name,
            size: item.file.size,
            modified: item.file.lastModified,
            url: upload.url,
            path: item.path,
          });
          this.unfinished = this.kept.all();
        }
      },
      onProgress: (sent) => {
        if (item.state === 'running') item.progress(sent);
      },
      onAfterResponse: (_request, response) => {
        item.fileId = response.getHeader('X-File-ID') ?? item.fileId;
      },
      onSuccess: () => {
        item.progress(item.file.size);
        item.still();
        item.state = 'done';
        if (upload.url) this.forget(upload.url);
        this.finished++;
        setTimeout(() => this.remove(item), stays);
        this.work();
      },
      onError: (e) => this.failed(item, problemOf(e)),
    });
    item.running = upload;
    upload.start();
  }

  private failed(item: UploadItem, error: ApiError): void {
    item.still();
    if (item.state === 'paused') return;
    item.error = error;
    item.state = error.offline ? 'offline' : 'failed';
    if (error.status === 404 || error.status === 410) {
      const before = this.before(item); // it expired there: begin anew
      if (before) {
        this.forget(before.url);
        item.state = 'waiting';
        item.error = undefined;
      }
    }
    this.work();
  }
}

/** The problem document in what tus-js-client throws. */
function problemOf(e: unknown): ApiError {
  const response = (e as { originalResponse?: { getStatus(): number; getBody(): string } | null }).originalResponse;
  if (!response) return new ApiError(0, {});
  try {
    return new ApiError(response.getStatus(), JSON.parse(response.getBody()) as object);
  } catch {
    return new ApiError(response.getStatus(), {});
  }
}
