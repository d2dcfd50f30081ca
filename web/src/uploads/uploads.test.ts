import { expect, it } from 'vitest';
import { collect, isClutter, type Found, type Unread } from './collect';
import { pick } from './pick';
import { UnfinishedList } from './unfinished';
import { UploadItem, Uploads } from './uploads.svelte';
import { walkHandles } from './walk';

function memory() {
  const kept = new Map<string, string>();
  return { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v), kept };
}

it('keeps what is unfinished by name, size and time', () => {
  const storage = memory();
  const list = new UnfinishedList(storage);
  list.add({ name: 'a', size: 5, modified: 7, url: '/api/v1/uploads/1' });
  list.add({ name: 'b', size: 5, modified: 7, url: '/api/v1/uploads/2' });
  expect(new UnfinishedList(storage).find({ name: 'a', size: 5, lastModified: 7 })?.url).toBe('/api/v1/uploads/1');
  expect(list.find({ name: 'a', size: 6, lastModified: 7 })).toBeUndefined();
  list.remove('/api/v1/uploads/1');
  expect(list.all().map((u) => u.name)).toEqual(['b']);
  for (let i = 0; i < 300; i++) list.add({ name: 'n' + i, size: 1, modified: 1, url: '/u/' + i });
  expect(list.all()).toHaveLength(200);
  storage.setItem('wayside.uploads', '{"broken"');
  expect(list.all()).toEqual([]);
});

it('does not mix up files of one name, size and time', () => {
  const list = new UnfinishedList(memory());
  const file = { name: 'a', size: 5, lastModified: 7 };
  list.add({ name: 'a', size: 5, modified: 7, url: '/u/1', path: 'x/a' });
  expect(list.find(file, 'x/a')?.url).toBe('/u/1');
  expect(list.find(file, 'y/a')).toBeUndefined(); // another folder's
  expect(list.find(file)?.url).toBe('/u/1'); // chosen alone, and only one it can be
  list.add({ name: 'a', size: 5, modified: 7, url: '/u/2', path: 'y/a' });
  expect(list.find(file, 'y/a')?.url).toBe('/u/2');
  expect(list.find(file)).toBeUndefined(); // now it could be either
  expect(list.find(file, 'y/a', new Set(['/u/2']))).toBeUndefined(); // somebody else goes on with it
});

it('walks through folders in parts', async () => {
  const file = (name: string) => new File(['x'], name);
  const fileEntry = (name: string) => ({
    isDirectory: false,
    fullPath: '/run/' + name,
    file: (ok: (f: File) => void) => ok(file(name)),
  });
  let asked = 0;
  const folder = {
    isDirectory: true,
    createReader: () => ({
      readEntries: (ok: (e: unknown[]) => void) =>
        ok([[fileEntry('a'), fileEntry('b')], [fileEntry('.hidden')], []][asked++] ?? []),
    }),
  };
  const items = [
    { kind: 'file', webkitGetAsEntry: () => folder, getAsFile: () => null },
    { kind: 'string', getAsFile: () => null },
    { kind: 'file', webkitGetAsEntry: () => null, getAsFile: () => file('c') },
  ];
  const found: (Found | Unread)[] = [];
  for await (const f of collect({ items } as unknown as DataTransfer)) found.push(f);
  expect(found.map((f) => f.path)).toEqual(['run/a', 'run/b', 'run/.hidden', 'c']);
  expect(found.filter((f) => isClutter(f.path)).map((f) => f.path)).toEqual(['run/.hidden']);
});

it('measures over the last seconds', () => {
  const item = new UploadItem(1, new File(['x'.repeat(100)], 'a'), 'a');
  item.progress(0, 0);
  item.progress(50, 1000);
  expect(item.rate).toBe(50);
  expect(item.left).toBe(1);
  item.progress(50, 4500);
  item.progress(50, 5000);
  expect(item.rate).toBe(0);
  expect(item.left).toBeUndefined();
});

it('leaves out what file managers leave behind', async () => {
  const uploads = new Uploads(memory());
  const n = await uploads.add([]);
  expect(n).toBe(0);
  expect(uploads.active).toBe(0);
});

const broken = () => Promise.reject(new Error('it went'));
const list = async (found: AsyncIterable<Found | Unread>) => {
  const paths: string[] = [];
  for await (const f of found) paths.push((f.file ? '' : 'not ') + f.path);
  return paths;
};

it('goes on beside a file or folder of a drop that cannot be read', async () => {
  const one = (name: string, readable = true) => ({
    isDirectory: false,
    fullPath: name,
    file: (ok: (f: File) => void, fail: (e: Error) => void) =>
      readable ? ok(new File(['x'], name)) : fail(new Error('it went')),
  });
  const folder = (name: string, entries?: unknown[]) => {
    const lots = [entries, []];
    const readEntries = (ok: (e: unknown[]) => void, fail: (e: Error) => void) => {
      const lot = lots.shift();
      if (lot) ok(lot);
      else fail(new Error('it went'));
    };
    return { isDirectory: true, fullPath: name, createReader: () => ({ readEntries }) };
  };
  const all = folder('/run', [one('/run/a'), one('/run/b', false), folder('/run/shut'), one('/run/c')]);
  const items = [{ kind: 'file', webkitGetAsEntry: () => all, getAsFile: () => null }];
  expect(await list(collect({ items } as unknown as DataTransfer))).toEqual([
    'run/a',
    'not run/b',
    'not run/shut/',
    'run/c',
  ]);
});

const handle = (name: string, getFile: () => Promise<File> = async () => new File(['x'], name)) => ({
  kind: 'file' as const,
  name,
  getFile,
});
const folderOf = (name: string, handles: unknown[], readable = true) => ({
  kind: 'directory' as const,
  name,
  async *values() {
    yield* handles;
    if (!readable) await broken();
  },
});

it('goes on beside a file or folder of a choice that cannot be read', async () => {
  const inner = folderOf('in', [handle('b')], false);
  const outer = folderOf('run', [handle('a'), handle('x', broken), inner, handle('c')]);
  const paths = ['run/a', 'not run/x', 'run/in/b', 'not run/in/', 'run/c'];
  expect(await list(walkHandles(outer as never))).toEqual(paths);
  const pickers = {
    showOpenFilePicker: async () => [handle('a'), handle('x', broken), handle('c')] as never,
    showDirectoryPicker: broken,
  };
  const files = pick(new Event('click'), false, pickers);
  expect(files && (await list(files))).toEqual(['a', 'not x', 'c']);
});

it('uploads what it found when the search breaks off, and says that it did', async () => {
  const uploads = new Uploads(memory(), undefined, () => new Promise(() => undefined));
  async function* found(): AsyncGenerator<Found | Unread> {
    yield { file: new File(['x'], 'a'), path: 'run/a' };
    yield { path: 'run/x' };
    yield { path: 'run/.lock' };
    yield { file: new File(['x'], 'b'), path: 'run/b' };
    await broken();
  }
  expect(await uploads.add(found())).toBe(2);
  expect(uploads.items.map((i) => i.path)).toEqual(['run/a', 'run/b']);
  expect(uploads.collecting).toBe(0);
  expect(uploads.unread).toEqual(['run/x']);
  expect(uploads.cut?.message).toBe('it went');
});
