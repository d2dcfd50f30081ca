import type { Upload } from 'tus-js-client';
import { beforeEach, expect, it, vi } from 'vitest';
import { Keeper, type FileHandle, type Kept } from './kept';
import { settle, type Told } from './send';
import { Uploads, type BatchPlan, type UploadItem, type UploadOptions } from './uploads.svelte';

/** What was sent, to be told how it went. */
const sent: { path: string; options: UploadOptions; url: string | undefined; told: Told; item: UploadItem }[] = [];
const made: object[] = [];
const tidied: string[][] = [];
let refuse: object | undefined;
const ask = (async (path: string, init?: RequestInit) => {
  if (!init?.body) return new Response(null, { status: 404 });
  if (refuse) return new Response(JSON.stringify(refuse), { status: 422 });
  made.push(JSON.parse(String(init.body)) as object);
  return new Response('{"id":"b1"}', { status: 201 });
}) as typeof fetch;
const sender = async () => ({
  send: (item: UploadItem, options: UploadOptions, url: string | undefined, told: Told) => {
    sent.push({ path: item.path, options: structuredClone(options), url, told, item });
    return { url: url ?? '/u/' + item.path, abort: async () => undefined } as unknown as Upload;
  },
  settle: (item: UploadItem, options: UploadOptions, keep: () => void) => settle(item, options, keep, ask),
  tidy: async (parts: readonly string[]) => void tidied.push([...parts]),
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
  tidied.length = 0;
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
  refuse = { code: 'validation_failed', detail: 'name' };
  sent[1]!.told.done();
  await vi.waitFor(() => expect(uploads.items[0]?.state).toBe('failed'));
  refuse = undefined;
  uploads.resume(uploads.items[0]!);
  await vi.waitFor(() => expect(sent).toHaveLength(3));
  sent[2]!.told.done();
  await vi.waitFor(() => expect(sent).toHaveLength(4));
  expect(made).toEqual([{ name: 'day', file_ids: ['f1'] }]);
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

/** Files that are one recording, and an archive. */
const whole = (parts: number, archive = false): BatchPlan => ({
  key: 'w',
  body: { name: 'trip', combine: archive ? undefined : true },
  archive,
  parts: Array<null>(parts).fill(null),
});
const ends = async (at: number, id: string) => {
  await vi.waitFor(() => expect(sent.length).toBeGreaterThan(at));
  sent[at]!.item.fileId = id;
  sent[at]!.told.done();
  await settled();
};

it('makes one recording of files when all are there, also those that came before a reload, each at its place', async () => {
  const storage = memory();
  const first = new Uploads(storage, keeperOf, sender);
  const found = ['a', 'b', 'c'].map((name) => ({ file: file(name), path: name, handle: handleOf(name) }));
  await first.add(found, { plan: whole(3) });
  await ends(2, 'f3'); // the last is there first
  expect(made).toEqual([]);
  expect([...rows.values()].map((k) => [k.path, k.options.part, k.options.plan?.parts])).toEqual([
    ['a', 0, [null, null, 'f3']],
    ['b', 1, [null, null, 'f3']],
  ]);
  sent[1]!.told.begun('/u/b');
  const second = new Uploads(storage, keeperOf, sender);
  await second.restore();
  await vi.waitFor(() => expect(sent).toHaveLength(5));
  expect(sent.slice(3).map((s) => [s.path, s.url])).toEqual([
    ['a', undefined],
    ['b', '/u/b'],
  ]);
  await ends(4, 'f2');
  await ends(3, 'f1');
  expect(made).toEqual([{ name: 'trip', combine: true, file_ids: ['f1', 'f2', 'f3'] }]);
  expect(second.items.map((i) => i.href)).toEqual(['/batches/b1', undefined]);
  await vi.waitFor(() => expect(rows.size).toBe(0));
});

it('goes on with an archive after a reload, and makes the batch of what is in it', async () => {
  const storage = memory();
  const first = new Uploads(storage, keeperOf, sender);
  await first.add([{ file: file('day.zip'), path: 'day.zip', handle: handleOf('day.zip') }], { plan: whole(1, true) });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  sent[0]!.told.begun('/u/zip');
  const second = new Uploads(storage, keeperOf, sender);
  await second.restore();
  refuse = { code: 'validation_failed' };
  await ends(1, 'f1');
  expect(second.items[0]).toMatchObject({ state: 'failed' });
  refuse = undefined;
  second.resume(second.items[0]!);
  await ends(2, 'f1');
  expect(sent.map((s) => s.url)).toEqual([undefined, '/u/zip', '/u/zip']);
  expect(made).toEqual([{ name: 'trip', archive: 'f1' }]);
});

it('gives up all parts of a recording with one of them', async () => {
  const uploads = new Uploads(memory(), keeperOf, sender);
  const found = ['a', 'b', 'c'].map((name) => ({ file: file(name), path: name }));
  await uploads.add(found, { plan: whole(3) });
  await ends(0, 'f1');
  uploads.cancel(uploads.items[1]!);
  expect(uploads.active).toBe(0);
  await vi.waitFor(() => expect(tidied).toEqual([['f1']]));
  await vi.waitFor(() => expect(rows.size).toBe(0));
});

it('sends nothing of a recording that was given up, however many parts had not begun', async () => {
  const uploads = new Uploads(memory(), keeperOf, sender);
  const names = [...'abcdefgh'];
  await uploads.add(
    names.map((name) => ({ file: file(name), path: name })),
    { plan: whole(names.length) },
  );
  await vi.waitFor(() => expect(sent).toHaveLength(3));
  uploads.cancel(uploads.items[0]!);
  await settled();
  expect([sent.length, uploads.items.length]).toEqual([3, 0]);
  await uploads.add(
    names.map((name) => ({ file: file(name), path: name })),
    { plan: whole(names.length) },
  );
  uploads.cancelAll();
  await settled();
  expect([sent.length, uploads.items.length]).toEqual([3, 0]);
});

it('leaves a part that another batch waits to be made of', async () => {
  const uploads = new Uploads(memory(), keeperOf, sender);
  const parts = (...names: string[]) => names.map((name) => ({ file: file(name), path: name }));
  await uploads.add(parts('header', 'x'), { plan: { ...whole(2), key: 'one' } });
  await uploads.add(parts('header', 'y'), { plan: { ...whole(2), key: 'two' } });
  await vi.waitFor(() => expect(sent).toHaveLength(3));
  await ends(0, 'f1');
  await vi.waitFor(() => expect(sent).toHaveLength(4));
  sent[2]!.item.existing = true;
  await ends(2, 'f1');
  await ends(1, 'f2');
  await vi.waitFor(() => expect(tidied).toEqual([['f2']]));
});

it('has a batch wait for a part of it that was chosen for another one', async () => {
  const storage = memory();
  const found = ['a', 'b'].map((name) => ({ file: file(name), path: name }));
  await new Uploads(storage, keeperOf, sender).add(found, { plan: whole(2) });
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  const second = new Uploads(storage, keeperOf, sender);
  await second.restore();
  await second.add(found.slice(0, 1), { plan: { ...whole(1), key: 'other' } });
  expect(second.asleep.map((a) => [a.kept.path, a.why]).sort()).toEqual([
    ['a', 'choose'],
    ['b', 'choose'],
  ]);
});

it('takes a file that is chosen anew for the batch that it is chosen for', async () => {
  const storage = memory();
  const found = [{ file: file('day.zip'), path: 'day.zip' }];
  await new Uploads(storage, keeperOf, sender).add(found, { plan: whole(1, true) });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  const second = new Uploads(storage, keeperOf, sender);
  await second.restore();
  expect(second.asleep).toHaveLength(1);
  await second.add(found, { plan: { ...whole(1, true), body: { name: 'other' } } });
  await ends(1, 'f1');
  expect(made).toEqual([{ name: 'other', archive: 'f1' }]);
  await vi.waitFor(() => expect(rows.size).toBe(0));
});

it('does not go on with an upload that was begun for something else', async () => {
  const uploads = new Uploads(memory(), keeperOf, sender);
  const found = [{ file: file('day.zip'), path: 'day.zip' }];
  await uploads.add(found);
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  sent[0]!.told.begun('/u/decoded');
  sent[0]!.item.running = undefined; // of a page that is gone
  await uploads.add(found, { plan: whole(1, true) });
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  expect(sent[1]!.url).toBeUndefined();
});
