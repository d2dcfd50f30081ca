// Uploads that outlive the page: what is to be sent, with the browser's handle of the file, in IndexedDB. Where there is
// no handle (no secure context, another browser), the same file has to be chosen again.
import type { UploadOptions } from './uploads.svelte';

type Leave = { mode: 'read' };
/** Of the File System Access API, as far as it is used; not all browsers have it, nor do the types. */
export interface Handle {
  readonly kind: 'file' | 'directory';
  readonly name: string;
  queryPermission(leave: Leave): Promise<PermissionState>;
  requestPermission(leave: Leave): Promise<PermissionState>;
}
export interface FileHandle extends Handle {
  getFile(): Promise<File>;
}
export interface FolderHandle extends Handle {
  values(): AsyncIterable<Handle>;
}

/** One upload that is not finished. Keys stand in the order in which files came. */
export interface Kept {
  key: string;
  /** The tab that has it. */
  owner: string;
  path: string;
  size: number;
  modified: number;
  options: UploadOptions;
  /** Milliseconds of Unix time at which the appliance has forgotten it. */
  expires: number;
  handle?: FileHandle;
  root?: FolderHandle;
}

/** Why an upload does not go on by itself. */
export type Why = 'permission' | 'choose' | 'changed' | 'gone';

export interface KeptStore {
  all(): Promise<Kept[]>;
  put(lot: readonly Kept[]): Promise<void>;
  remove(keys: readonly string[]): Promise<void>;
}

/** The tabs of this browser: two must not send one file. */
export interface Tabs {
  /** This one. */
  own: string;
  alive(): Promise<ReadonlySet<string>>;
  /** Runs while no other tab runs anything so. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

const read: Leave = { mode: 'read' };

export class Keeper {
  constructor(
    private store: KeptStore,
    private tabs: Tabs,
    private now: () => number = Date.now,
  ) {}

  /** The store may be full or forbidden: then a reload has the files chosen again. */
  async put(lot: readonly Kept[]): Promise<void> {
    await this.store.put(lot.map((k) => ({ ...k, owner: this.tabs.own }))).catch(() => undefined);
  }

  async remove(keys: readonly string[]): Promise<void> {
    await this.store.remove(keys).catch(() => undefined);
  }

  /** The files that batches other than this one, in any tab, wait to be made of. */
  async parts(key: string): Promise<ReadonlySet<string>> {
    const all = await this.store.all().catch((): Kept[] => []);
    const others = all.filter((k) => k.options.plan?.key !== key);
    return new Set(others.flatMap((k) => k.options.plan?.parts ?? []).filter((id) => id !== null));
  }

  /** Takes over what tabs that are gone have left, and forgets what has expired. */
  async adopt(): Promise<Kept[]> {
    const left = await this.tabs
      .alone(async () => {
        const alive = await this.tabs.alive();
        const orphans = (await this.store.all()).filter((k) => k.owner !== this.tabs.own && !alive.has(k.owner));
        await this.remove(orphans.filter((k) => k.expires <= this.now()).map((k) => k.key));
        const live = orphans.filter((k) => k.expires > this.now());
        await this.put(live);
        return live;
      })
      .catch((): Kept[] => []);
    return samePlans(left);
  }

  /** The file, if it may be read and is what it was. */
  async look(kept: Kept): Promise<File | Why> {
    if (!kept.handle) return 'choose';
    try {
      if ((await kept.handle.queryPermission(read)) !== 'granted') return 'permission';
      const file = await kept.handle.getFile();
      return file.size === kept.size && file.lastModified === kept.modified ? file : 'changed';
    } catch (e) {
      return (e as DOMException).name === 'NotAllowedError' ? 'permission' : 'gone';
    }
  }

  /** Asks for leave, of a folder once for all that is in it. Who says no is not asked for the rest. */
  async permit(list: readonly Kept[]): Promise<void> {
    for (const kept of list) {
      const from = kept.root ?? kept.handle;
      try {
        if (!from || (await from.queryPermission(read)) === 'granted') continue;
        if ((await from.requestPermission(read)) !== 'granted') return;
      } catch {
        return; // the browser wants another click
      }
    }
  }
}

/** How far a plan was when it was kept. */
const known = (plan: UploadOptions['plan']): number =>
  !plan ? -1 : plan.batch ? Infinity : (plan.parts?.filter((p) => p !== null).length ?? 0);

/** Files of one new batch share what is known of it, as they did before the reload. */
function samePlans(list: readonly Kept[]): Kept[] {
  const plans = new Map<string, NonNullable<UploadOptions['plan']>>();
  for (const { options } of list) {
    const { plan } = options;
    if (plan && known(plan) > known(plans.get(plan.key))) plans.set(plan.key, plan);
  }
  return list.map((k) => {
    const plan = k.options.plan && plans.get(k.options.plan.key);
    return plan ? { ...k, options: { ...k.options, plan } } : k;
  });
}

const promised = <T>(request: IDBRequest<T>) =>
  new Promise<T>((ok, fail) => {
    request.onsuccess = () => ok(request.result);
    request.onerror = () => fail(request.error ?? new Error('IndexedDB'));
  });

/** Database and table in IndexedDB. */
export class BrowserStore implements KeptStore {
  private opened: Promise<IDBDatabase>;

  constructor(factory: IDBFactory) {
    const request = factory.open('wayside', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('uploads', { keyPath: 'key' });
    this.opened = promised(request);
    this.opened.catch(() => undefined); // each use tells
  }

  async all(): Promise<Kept[]> {
    return promised((await this.table('readonly')).getAll() as IDBRequest<Kept[]>);
  }

  async put(lot: readonly Kept[]): Promise<void> {
    const table = await this.table('readwrite');
    await Promise.all(lot.map((k) => promised(table.put(k))));
  }

  async remove(keys: readonly string[]): Promise<void> {
    const table = await this.table('readwrite');
    await Promise.all(keys.map((k) => promised(table.delete(k))));
  }

  private async table(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    return (await this.opened).transaction('uploads', mode).objectStore('uploads');
  }
}

const prefix = 'wayside.tab.';

/** Each tab holds a lock of its own for as long as it lives. Without locks every other tab counts as gone. */
export function browserTabs(own: string, locks: LockManager | undefined): Tabs {
  void locks?.request(prefix + own, () => new Promise(() => undefined));
  return {
    own,
    alive: async () => new Set((await locks?.query())?.held?.map((l) => (l.name ?? '').replace(prefix, '')) ?? []),
    alone: (work) => (locks ? (locks.request('wayside.adopt', work) as ReturnType<typeof work>) : work()),
  };
}

export const openKeeper = (own: string) =>
  new Keeper(new BrowserStore(indexedDB), browserTabs(own, (navigator as Partial<Navigator>).locks));
