import type { Upload } from 'tus-js-client';
import { ApiError, asApiError, staleError } from '../api/error';
import type { NewBatch } from '../api/types';
import { isClutter, type Found, type Unread } from './collect';
import type { Keeper, Kept, Why } from './kept';
import { UnfinishedList, type Unfinished } from './unfinished';

export type UploadState = 'waiting' | 'running' | 'paused' | 'offline' | 'done' | 'failed';

/** One file on its way. */
export class UploadItem {
  state: UploadState = $state('waiting');
  sent = $state(0);
  /** Bytes a second, over the last seconds. */
  rate = $state(0);
  error: ApiError | undefined = $state.raw();
  fileId: string | undefined;
  /** Its file was there before, of another upload. */
  existing = false;
  /** Where what became of it is seen. */
  href: string | undefined = $state();
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

/**
 * A batch that is made when the first of its files is there; the others join it one after the other. Of files that are one
 * recording, and of an archive, it is made when all is there.
 */
export interface BatchPlan {
  key: string;
  /** What POST /batches takes, but for the files. */
  body: Omit<NewBatch, 'file_ids' | 'archive'>;
  /** Of one that is made of all at once: the ids of its files by their places, null while they are on their way. */
  parts?: (string | null)[];
  /** The only part is an archive of the files. */
  archive?: boolean;
  /** Those of the parts that were not there before: nobody needs them once the batch has what is in them. */
  fresh?: string[];
  /** Its id, once it is made. */
  batch?: string;
}

export interface UploadOptions {
  decoder?: string;
  params?: Record<string, string>;
  batch?: string;
  plan?: BatchPlan;
  /** Which of the plan's parts it is. */
  part?: number;
}

/** An upload that was cut off by a reload, and does not go on by itself. */
export interface Asleep {
  kept: Kept;
  why: Why;
}

type Sender = Pick<typeof import('./send'), 'send' | 'settle' | 'tidy'>;

const together = 3;
const keptFlag = 'wayside.uploads.kept';
const day = 86_400_000; // ms; how long the appliance keeps an upload unless it says something else
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
  /** Of those, and of files that had not been begun, what is known beyond that. */
  asleep: Asleep[] = $state.raw([]);
  /** Files looked through in what was dropped, while that goes on. */
  collecting = $state(0);
  /** Paths of what was dropped or chosen and could not be read. */
  unread: readonly string[] = $state.raw([]);
  /** Why not all of it was looked through. */
  cut: ApiError | undefined = $state.raw();
  /** Counts up with each that has become a recording. */
  finished = $state(0);
  readonly active = $derived(this.items.filter((i) => i.state !== 'done' && i.state !== 'failed').length);
  readonly shown = $derived(this.items.slice(0, listed));
  readonly total = $derived(this.items.reduce((sum, i) => sum + i.file.size, 0));
  readonly sent = $derived(this.items.reduce((sum, i) => sum + i.sent, 0));
  readonly rate = $derived(this.items.reduce((sum, i) => sum + i.rate, 0));

  private next = 1;
  private own = Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
  private records = new Map<UploadItem, Kept>();
  private keeper: Promise<Keeper> | undefined;
  private restored = false;
  private options = new Map<UploadItem, UploadOptions>();
  private readonly kept: UnfinishedList;

  constructor(
    private storage: Pick<Storage, 'getItem' | 'setItem'> | undefined,
    private open: (own: string) => Promise<Keeper> = async (own) => (await import('./kept')).openKeeper(own),
    private sender: () => Promise<Sender> = () => import('./send'),
  ) {
    this.kept = new UnfinishedList(storage);
    this.unfinished = this.kept.all();
  }

  /** Takes all that can be read; what cannot is told in `unread` and `cut`. */
  async add(
    found: AsyncIterable<Found | Unread> | Iterable<Found | Unread>,
    options: UploadOptions = {},
  ): Promise<number> {
    let lot: UploadItem[] = [];
    let count = 0;
    let shown = performance.now();
    const flush = () => {
      this.keep(lot.flatMap((i) => this.records.get(i) ?? []));
      this.items = [...this.items, ...lot];
      lot = [];
      this.work();
    };
    try {
      for await (const one of found) {
        if (isClutter(one.path)) continue;
        if (!one.file) {
          this.unread = [...this.unread, one.path];
          continue;
        }
        const item = new UploadItem(this.next++, one.file, one.path);
        let asleep = this.wakened(item);
        if (asleep && options.plan?.parts) {
          // Chosen anew, for a batch that lacks none of its parts. Another one that needs it waits for it still.
          if ((asleep.options.plan?.parts?.length ?? 0) > 1)
            this.asleep = [...this.asleep, { kept: asleep, why: 'choose' }];
          else void this.forgetKept(asleep.key);
          asleep = undefined;
        }
        this.options.set(item, asleep?.options ?? (options.plan?.parts ? { ...options, part: count } : options));
        if (one.handle || options.plan || asleep) this.records.set(item, asleep ?? this.record(item, one));
        lot.push(item);
        this.collecting = ++count;
        if (performance.now() - shown > 100) {
          flush();
          await new Promise((ok) => setTimeout(ok)); // others have their turn
          shown = performance.now();
        }
      }
    } catch (e) {
      const detail = e instanceof Error ? e.message : String(e);
      this.cut = e instanceof ApiError ? e : new ApiError(-1, { code: 'console', detail });
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

  /** Ends it, here and on the appliance, with those without which it is nothing. */
  cancel(item: UploadItem): void {
    const plan = this.options.get(item)?.plan;
    if (plan?.parts) this.drop(plan);
    else this.end([item]);
  }

  /** Gives up a batch that is made of all its files at once. */
  private drop(plan: BatchPlan): void {
    this.end(this.items.filter((i) => i.state !== 'done' && this.options.get(i)?.plan === plan));
    const asleep = this.asleep.filter((a) => a.kept.options.plan === plan);
    if (asleep.length > 0) void this.forgo(asleep);
    void this.tidy(plan);
  }

  /** Removes the files of parts that were stored for the plan alone: no other upload of this browser is to have them. */
  private async tidy(plan: BatchPlan): Promise<void> {
    const { fresh = [] } = plan;
    plan.fresh = [];
    if (fresh.length === 0) return;
    const wanted = await (await this.keeping()).parts(plan.key);
    const { tidy } = await this.sender();
    await tidy(fresh.filter((id) => !wanted.has(id)));
  }

  private end(list: readonly UploadItem[]): void {
    for (const item of list) {
      const url = item.running?.url ?? this.before(item)?.url;
      void item.running?.abort(url !== undefined && url !== null).catch(() => undefined);
      if (url && !item.running) void this.terminate(url);
      if (url) this.forget(url);
    }
    this.remove(...list);
  }

  remove(...list: UploadItem[]): void {
    for (const item of list) {
      this.options.delete(item);
      this.unkeep(item);
    }
    this.items = this.items.filter((i) => !list.includes(i));
    this.work();
  }

  cancelAll(): void {
    const list = this.items.filter((i) => i.state !== 'done');
    const plans = new Set(list.map((i) => this.options.get(i)?.plan));
    this.end(list);
    for (const plan of plans) if (plan?.parts) this.drop(plan);
  }

  /** Gives up what an earlier visit has left on the appliance. */
  async discard(one: Unfinished): Promise<void> {
    this.forget(one.url);
    await this.terminate(one.url);
  }

  private async terminate(url: string): Promise<void> {
    await fetch(url, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } }).catch(() => undefined); // it expires anyway
  }

  /** The appliance is there again. */
  online(): void {
    for (const item of this.items) {
      if (item.state !== 'offline') continue;
      item.state = 'waiting';
      item.error = undefined;
    }
    this.work();
  }

  /** Goes on with what an earlier page had not finished. It asks for nothing: that takes a click. */
  async restore(): Promise<void> {
    if (this.restored || !this.storage?.getItem(keptFlag)) return;
    this.restored = true;
    const keeper = await this.keeping();
    const left = await keeper.adopt();
    await this.wake(keeper, left);
    if (left.length === 0 && this.records.size === 0) this.flag('');
  }

  /** Asks for leave to read the files, and goes on. */
  async goOn(): Promise<void> {
    const keeper = await this.keeping();
    const list = this.asleep.filter((a) => a.why === 'permission').map((a) => a.kept);
    await keeper.permit(list);
    this.asleep = this.asleep.filter((a) => a.why !== 'permission');
    await this.wake(keeper, list);
  }

  /** Gives up what cannot go on, here and on the appliance. */
  async giveUp(list: readonly Asleep[]): Promise<void> {
    const plans = new Set(list.map((a) => a.kept.options.plan));
    for (const plan of plans) if (plan?.parts) this.drop(plan);
    await this.forgo(list.filter((a) => !a.kept.options.plan?.parts));
  }

  private async forgo(list: readonly Asleep[]): Promise<void> {
    this.asleep = this.asleep.filter((a) => !list.includes(a));
    void this.forgetKept(...list.map((a) => a.kept.key));
    for (const { kept } of list) {
      const begun = this.unfinished.find((u) => sameFile(u, kept));
      if (begun) await this.discard(begun);
    }
  }

  private async wake(keeper: Keeper, list: readonly Kept[]): Promise<void> {
    const awake: UploadItem[] = [];
    const asleep: Asleep[] = [];
    for (const kept of list) {
      const file = await keeper.look(kept);
      if (typeof file === 'string') {
        asleep.push({ kept, why: file });
        continue;
      }
      const item = new UploadItem(this.next++, file, kept.path);
      this.options.set(item, kept.options);
      this.records.set(item, kept);
      awake.push(item);
    }
    this.asleep = [...this.asleep, ...asleep];
    this.items = [...this.items, ...awake];
    this.work();
  }

  /** Of a file that is chosen again: what was kept of it. */
  private wakened(item: UploadItem): Kept | undefined {
    const { size, lastModified: modified } = item.file;
    const found = this.asleep.find((a) => sameFile(a.kept, { path: item.path, size, modified }));
    if (found) this.asleep = this.asleep.filter((a) => a !== found);
    return found?.kept;
  }

  private record(item: UploadItem, { handle, root }: Found): Kept {
    const key = `${this.own}.${String(item.id).padStart(7, '0')}`;
    const { size, lastModified: modified } = item.file;
    const options = this.options.get(item) ?? {};
    return { key, owner: this.own, path: item.path, size, modified, options, expires: Date.now() + day, handle, root };
  }

  private keeping(): Promise<Keeper> {
    return (this.keeper ??= this.open(this.own));
  }

  private keep(lot: readonly Kept[]): void {
    if (lot.length === 0) return;
    this.flag('1');
    void this.keeping().then((keeper) => keeper.put(lot));
  }

  /** Whether there may be something to restore, so that a page with nothing need not look. */
  private flag(value: '' | '1'): void {
    try {
      this.storage?.setItem(keptFlag, value);
    } catch {
      // a full storage costs going on by itself
    }
  }

  private unkeep(item: UploadItem): void {
    const kept = this.records.get(item);
    if (!kept) return;
    this.records.delete(item);
    void this.forgetKept(kept.key);
  }

  private async forgetKept(...keys: string[]): Promise<void> {
    await (await this.keeping()).remove(keys);
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

  /**
   * Files of a new batch go one after the other, for it has them in the order in which they come. Before it is made all wait
   * for the first, of which it is made.
   */
  private work(): void {
    const running = this.items.filter((i) => i.state === 'running');
    const busy = new Set(running.map((i) => this.options.get(i)?.plan));
    busy.delete(undefined);
    let free = together - running.length;
    for (const item of this.items) {
      if (free <= 0) return;
      const plan = this.options.get(item)?.plan;
      if (item.state === 'done' || (busy.has(plan) && !plan?.parts)) continue;
      if (plan && (item.state === 'waiting' || !plan.batch)) busy.add(plan);
      if (item.state !== 'waiting') continue;
      item.state = 'running';
      free--;
      void this.start(item);
    }
  }

  private async start(item: UploadItem): Promise<void> {
    let sender: Sender;
    try {
      sender = await this.sender();
    } catch {
      this.failed(item, staleError());
      return;
    }
    if (item.state !== 'running' || !this.items.includes(item)) return; // it was given up meanwhile
    const options = this.options.get(item) ?? {};
    const batch = options.plan?.batch;
    let before = this.before(item);
    const whole = options.plan?.parts !== undefined;
    if (before && ((batch && before.batch !== batch) || (before.whole ?? false) !== whole)) {
      this.forget(before.url); // begun before there was the batch, which its file would not join, or for something else
      void this.terminate(before.url);
      before = undefined;
    }
    item.running = sender.send(item, options, before?.url, {
      begun: (url) => {
        const { name, size, lastModified: modified } = item.file;
        this.kept.add({
          name,
          size,
          modified,
          url,
          path: item.path,
          ...(batch ? { batch } : {}),
          ...(whole ? { whole } : {}),
        });
        this.unfinished = this.kept.all();
      },
      expires: (at) => {
        const kept = this.records.get(item);
        if (!kept || kept.expires === at) return;
        kept.expires = at;
        this.keep([kept]);
      },
      done: () => void this.done(item, options, sender.settle),
      failed: (error) => this.failed(item, error),
    });
  }

  private async done(item: UploadItem, options: UploadOptions, settle: Sender['settle']) {
    const { plan } = options;
    try {
      await settle(item, options, () => {
        const mates = [...this.records.values(), ...this.asleep.map((a) => a.kept)];
        this.keep(mates.filter((k) => k.options.plan === plan));
      });
    } catch (e) {
      this.failed(item, asApiError(e));
      return;
    }
    item.progress(item.file.size);
    item.still();
    item.state = 'done';
    if (!plan?.parts) item.href = item.fileId && '/files/' + item.fileId;
    else if (plan.batch) {
      item.href = '/batches/' + plan.batch;
      if (!plan.archive || !plan.body.combine) void this.tidy(plan); // else the archive is the recording
    }
    if (item.running?.url) this.forget(item.running.url);
    this.unkeep(item);
    this.finished++;
    setTimeout(() => this.remove(item), stays);
    this.work();
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

/** Whether one that is kept is of this file. */
export function sameFile(
  kept: { path?: string; name?: string; size: number; modified: number },
  file: { path: string; size: number; modified: number },
): boolean {
  return (kept.path ?? kept.name) === file.path && kept.size === file.size && kept.modified === file.modified;
}
