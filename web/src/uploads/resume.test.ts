import type { Upload } from 'tus-js-client';
import { beforeEach, expect, it, vi } from 'vitest';
import { ApiError } from '../api/error';
import { Keeper, type FileHandle, type Kept } from './kept';
import type { Told } from './send';
import { Uploads, type BatchPlan, type UploadItem, type UploadOptions } from './uploads.svelte';

/** What was sent, to be told how it went. */
const sent: { path: string; options: UploadOptions; url: string | undefined; told: Told; item: UploadItem }[] = [];
const made: string[] = [];
let refuse: ApiError | undefined;
const sender = async () => ({
  send: (item: UploadItem, options: UploadOptions, url: string | undefined, told: Told) => {
    sent.push({ path: item.path, options: structuredClone(options), url, told, item });
    return { url: url ?? '/u/' + item.path, abort: async () => undefined } as unknown as Upload;
  },
  makeBatch: async (plan: BatchPlan, file: string) => {
    if (refuse) throw refuse;
    made.push(file);
    plan.batch = 'b1';
  },
});

const rows = new Map<string, Kept>();
const copy = (k: Kept): Kept => ({ ...k, options: structuredClone(k.options) });
const keeperOf = async (own: string) =>
  new Keeper(
    {
      all: async () => [...rows.values()].map(copy),
      put: async (lot) => lot.forEach((k) => rows.set(k.key, copy(k))),
      remove: async (keys) => keys.forEach((k) => rows.delete(k)),
    },
    { own, alive: async () => new Set([own]), alone: (work) => work() },
  );

function memory() {
  const kept = new Map<string, string>();
  return { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
}
const file = (name: string, text = 'abc') => new File([text], name, { lastModified: 7 });
function handleOf(name: string, state: PermissionState = 'granted') {
  const handle = {
    kind: 'file' as const,
    name,
    state,
    text: 'abc',
    queryPermission: async () => handle.state,
    requestPermission: async (): Promise<PermissionState> => (handle.state = 'granted'),
    getFile: async () => file(name, handle.text),
  };
  return handle satisfies FileHandle & Record<string, unknown>;
}
const plan = (): BatchPlan => ({ key: 'p', body: { name: 'day' } });
/** Until all that was begun without waiting for anybody has been done. */
const settled = () => new Promise((ok) => setTimeout(ok));

beforeEach(() => {
  sent.length = 0;
  made.length = 0;
  rows.clear();
  refuse = undefined;
  vi.stubGlobal('fetch', async () => new Response(null, { status: 204 }));
});

it('goes on by itself after a reload, where it was', async () => {
  const storage = memory();
  const first = new Uploads(storage, keeperOf, sender);
  await first.add([{ file: file('a'), path: 'run/a', handle: handleOf('a') }], { decoder: 'rail' });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  sent[0]?.told.begun('/u/1');
  sent[0]?.told.expires(Date.now() + 5000);
  const second = new Uploads(storage, keeperOf, sender);
  await second.restore();
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  expect(sent[1]).toMatchObject({ path: 'run/a', url: '/u/1', options: { decoder: 'rail' } });
  expect(second.asleep).toEqual([]);
  sent[1]?.told.done();
  await vi.waitFor(() => expect(rows.size).toBe(0));
  expect(second.unfinished).toEqual([]);
});

it('asks with one click where the browser wants it, and refuses a file that has changed', async () => {
  const storage = memory();
  const [asks, changed] = [handleOf('a', 'prompt'), handleOf('b', 'prompt')];
  const first = new Uploads(storage, keeperOf, sender);
  await first.add([
    { file: file('a'), path: 'a', handle: asks },
    { file: file('b'), path: 'b', handle: changed },
  ]);
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  changed.text = 'abcd';
  const second = new Uploads(storage, keeperOf, sender);
  await second.restore();
  expect(second.asleep.map((a) => a.why)).toEqual(['permission', 'permission']);
  expect(sent).toHaveLength(2);
  await second.goOn();
  await vi.waitFor(() => expect(sent).toHaveLength(3));
  expect(sent[2]?.path).toBe('a');
  expect(second.asleep.map((a) => a.why)).toEqual(['changed']);
  await second.giveUp(second.asleep);
  await vi.waitFor(() => expect([...rows.values()].map((k) => k.path)).toEqual(['a']));
});

it('forgets the handle of an upload that is cancelled', async () => {
  const uploads = new Uploads(memory(), keeperOf, sender);
  await uploads.add([{ file: file('a'), path: 'a', handle: handleOf('a') }]);
  await vi.waitFor(() => expect(rows.size).toBe(1));
  uploads.cancelAll();
  await vi.waitFor(() => expect(rows.size).toBe(0));
});

it('makes a batch of the first file, and has the others join it in their order', async () => {
  const uploads = new Uploads(memory(), keeperOf, sender);
  const found = ['a', 'b', 'c'].map((name) => ({ file: file(name), path: name }));
  await uploads.add(found, { plan: plan() });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  uploads.pause(uploads.items[0]!);
  await settled();
  expect(sent).toHaveLength(1); // nobody else begins the batch in its place
  uploads.resume(uploads.items[0]!);
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  sent[1]!.item.fileId = 'f1';
  refuse = new ApiError(422, { code: 'validation_failed', detail: 'name' });
  sent[1]!.told.done();
  await vi.waitFor(() => expect(uploads.items[0]?.state).toBe('failed'));
  refuse = undefined;
  uploads.resume(uploads.items[0]!);
  await vi.waitFor(() => expect(sent).toHaveLength(3));
  sent[2]!.told.done();
  await vi.waitFor(() => expect(sent).toHaveLength(4));
  expect(made).toEqual(['f1']);
  expect(sent[3]).toMatchObject({ path: 'b', options: { plan: { batch: 'b1' } } });
  await settled();
  expect(sent).toHaveLength(4); // c waits for b
  expect([...rows.values()].map((k) => [k.path, k.options.plan?.batch])).toEqual([
    ['b', 'b1'],
    ['c', 'b1'],
  ]);
});

it('has files of a batch chosen again after a reload, and they join it', async () => {
  const storage = memory();
  const found = ['a', 'b'].map((name) => ({ file: file(name), path: name }));
  const first = new Uploads(storage, keeperOf, sender);
  await first.add(found, { plan: { ...plan(), batch: 'b1' } });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  const second = new Uploads(storage, keeperOf, sender);
  await second.restore();
  expect(second.asleep.map((a) => a.why)).toEqual(['choose', 'choose']);
  await second.add(found);
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  expect(second.asleep).toEqual([]);
  expect(sent[1]?.options.plan?.batch).toBe('b1');
});

it('begins anew what was begun before there was its batch', async () => {
  const storage = memory();
  const first = new Uploads(storage, keeperOf, sender);
  await first.add([{ file: file('a'), path: 'a' }], { plan: plan() });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  sent[0]!.told.begun('/u/alone');
  const second = new Uploads(storage, keeperOf, sender);
  await second.add([{ file: file('a'), path: 'a' }], { plan: { ...plan(), batch: 'b1' } });
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  expect(sent[1]?.url).toBeUndefined();
});
