import { expect, it } from 'vitest';
import type { Found, Unread } from './collect';
import { Keeper, type FileHandle, type FolderHandle, type Kept, type KeptStore, type Tabs } from './kept';
import { pick } from './pick';
import { walkHandles } from './walk';

/** IndexedDB as far as it is used: what is put in is a copy, but for handles, which are the same file. */
class MemoryStore implements KeptStore {
  rows = new Map<string, Kept>();
  all = async () => [...this.rows.values()].sort((a, b) => (a.key < b.key ? -1 : 1)).map(copy);
  put = async (lot: readonly Kept[]) => lot.forEach((k) => this.rows.set(k.key, copy(k)));
  remove = async (keys: readonly string[]) => keys.forEach((k) => this.rows.delete(k));
}
const copy = (k: Kept): Kept => ({ ...k, options: structuredClone(k.options) });

const tabs = (own: string, alive: string[] = []): Tabs => ({
  own,
  alive: async () => new Set([own, ...alive]),
  alone: (work) => work(),
});

/** A file on somebody's disk, and what the browser lets be done with it. */
function disk(content: string, modified = 7, state: PermissionState = 'granted', answer: PermissionState = 'granted') {
  const file = {
    kind: 'file' as const,
    name: 'a',
    content,
    modified,
    state,
    asked: 0,
    queryPermission: async () => file.state,
    requestPermission: async () => {
      file.asked++;
      return (file.state = answer);
    },
    getFile: async () => new File([file.content], 'a', { lastModified: file.modified }),
  };
  return file satisfies FileHandle & Record<string, unknown>;
}

const kept = (key: string, more: Partial<Kept> = {}): Kept => ({
  key,
  owner: 'old',
  path: 'a',
  size: 3,
  modified: 7,
  options: {},
  expires: 1000,
  ...more,
});

it('takes over only what tabs that are gone have left', async () => {
  const store = new MemoryStore();
  await store.put([kept('1'), kept('2', { owner: 'other' }), kept('3', { expires: 50 })]);
  const keeper = new Keeper(store, tabs('new', ['other']), () => 50);
  expect((await keeper.adopt()).map((k) => k.key)).toEqual(['1']);
  expect(store.rows.get('1')?.owner).toBe('new');
  expect(store.rows.get('2')?.owner).toBe('other');
  expect(store.rows.has('3')).toBe(false); // the appliance has forgotten it too
  const third = new Keeper(store, tabs('third', ['new', 'other']), () => 50);
  expect(await third.adopt()).toEqual([]);
});

it('gives files of one batch one plan, with the batch if it was made', async () => {
  const store = new MemoryStore();
  const plan = { key: 'p', body: { name: 'day' } };
  await store.put([kept('1', { options: { plan } }), kept('2', { options: { plan: { ...plan, batch: 'b1' } } })]);
  const [a, b] = await new Keeper(store, tabs('new'), () => 0).adopt();
  expect(a?.options.plan?.batch).toBe('b1');
  expect(a?.options.plan).toBe(b?.options.plan);
});

it('reads a file only with leave, and only if it is what it was', async () => {
  const keeper = new Keeper(new MemoryStore(), tabs('new'));
  const look = (handle?: FileHandle) => keeper.look(kept('1', { handle }));
  expect(await look(disk('abc'))).toBeInstanceOf(File);
  expect(await look()).toBe('choose');
  expect(await look(disk('abc', 7, 'prompt'))).toBe('permission');
  expect(await look(disk('abcd'))).toBe('changed');
  expect(await look(disk('abc', 8))).toBe('changed');
  const fails = (name: string): FileHandle => ({
    ...disk('abc'),
    getFile: () => Promise.reject(new DOMException('', name)),
  });
  expect(await look(fails('NotFoundError'))).toBe('gone');
  expect(await look(fails('NotAllowedError'))).toBe('permission');
});

it('asks once for a folder, and no more of who says no', async () => {
  const keeper = new Keeper(new MemoryStore(), tabs('new'));
  const root = disk('', 7, 'prompt') as unknown as FolderHandle & { asked: number };
  const inside = disk('abc', 7, 'prompt');
  await keeper.permit([kept('1', { handle: inside, root }), kept('2', { handle: inside, root })]);
  expect([root.asked, inside.asked]).toEqual([1, 0]);
  const no = disk('abc', 7, 'prompt', 'denied');
  const next = disk('abc', 7, 'prompt');
  await keeper.permit([kept('1', { handle: no }), kept('2', { handle: next })]);
  expect([no.asked, next.asked]).toEqual([1, 0]);
});

it('does without a store that fails', async () => {
  const broken: KeptStore = {
    all: () => Promise.reject(new Error('no')),
    put: () => Promise.reject(new Error('no')),
    remove: () => Promise.reject(new Error('no')),
  };
  const keeper = new Keeper(broken, tabs('new'));
  await keeper.put([kept('1')]);
  await keeper.remove(['1']);
  expect(await keeper.adopt()).toEqual([]);
});

const folder = (name: string, inside: unknown[]) => ({
  kind: 'directory',
  name,
  async *values() {
    yield* inside;
  },
});
const paths = async (found: AsyncIterable<Found | Unread>) => {
  const list: string[] = [];
  for await (const f of found) list.push(f.path + (f.file && f.root ? ' in ' + f.root.name : ''));
  return list;
};

it('walks through folders that can be read again, and knows the one that was given', async () => {
  const run = folder('run', [disk(''), folder('deep', [disk('')])]) as unknown as FolderHandle;
  expect(await paths(walkHandles(run))).toEqual(['run/a in run', 'run/deep/a in run']);
});

it('opens the choosers of the browser where there are some', async () => {
  const event = () => new Event('click', { cancelable: true });
  const left = event();
  expect(pick(left, false, {})).toBeUndefined();
  expect(left.defaultPrevented).toBe(false); // the field opens its own
  const run = folder('run', [disk('')]) as unknown as FolderHandle;
  const both = { showOpenFilePicker: async () => [disk('')], showDirectoryPicker: async () => run };
  const taken = event();
  expect(await paths(pick(taken, false, both) ?? (async function* () {})())).toEqual(['a']);
  expect(taken.defaultPrevented).toBe(true);
  expect(await paths(pick(event(), true, both) ?? (async function* () {})())).toEqual(['run/a in run']);
  const none = { ...both, showOpenFilePicker: () => Promise.reject(new DOMException('', 'AbortError')) };
  expect(await paths(pick(event(), false, none)!)).toEqual([]);
});
