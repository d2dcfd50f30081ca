import { expect, test } from 'vitest';
import { createApi } from '../../api/client';
import type { LiveItem } from '../../api/live.svelte';
import { Recordings } from './recordings.svelte';

/** Of failed decodes, two a page, of files with these names. */
function of(...names: string[]) {
  const asked: number[] = [];
  const hook: { asked?: (from: number) => void } = {};
  const send = async (r: Request) => {
    const url = new URL(r.url);
    const path = url.pathname.replace('/api/v1', '');
    const from = Number(url.searchParams.get('cursor') ?? 0);
    if (path === '/decodes') {
      asked.push(from);
      hook.asked?.(from);
    }
    const decode = (i: number) => ({ id: 'd' + (99 - i), file_id: names[i], status: 'failed' });
    const items = names.slice(from, from + 2).map((_, i) => decode(from + i));
    const file = path.split('/')[2] ?? '';
    const body =
      path === '/decodes'
        ? { items, next_cursor: from + 2 < names.length ? String(from + 2) : null }
        : path === '/files'
          ? { items: [], next_cursor: null }
          : { id: file, name: file + '.RU', decodes: [] };
    return new Response(JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } });
  };
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  const api = createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch);
  return { recordings: new Recordings(api, 2), asked, hook };
}
const names = (r: Recordings) => r.list.map((x) => x.file.name);
const events = (topic: 'file' | 'decode', ...items: LiveItem[]) => ({
  items: new Map([[topic, items]]),
  reset: new Set<never>(),
});

test('a name is looked for in all decodes of a state, a page of hits at a time', async () => {
  const { recordings, asked } = of('a', 'b', 'red1', 'c', 'd', 'red1', 'red2', 'e', 'f', 'red3');
  await recordings.load({ name: 'RED', status: 'failed' });
  expect(names(recordings)).toEqual(['red1.RU', 'red2.RU']);
  expect([recordings.more, recordings.looked]).toEqual([true, 0]);
  await recordings.next();
  expect(names(recordings)).toEqual(['red1.RU', 'red2.RU', 'red3.RU']);
  expect(recordings.more).toBe(false);
  expect(asked).toEqual([0, 2, 4, 6, 8]);
});

test('how far it has looked is told, and a search is given up for another', async () => {
  const { recordings, asked, hook } = of('a', 'b', 'c', 'd', 'e', 'red');
  const looked: number[] = [];
  let other: Promise<void> | undefined;
  hook.asked = (from) => {
    looked.push(recordings.looked);
    if (from === 2) other ??= recordings.load({ name: 'red', status: 'failed' });
  };
  await recordings.load({ name: 'blue', status: 'failed' });
  await other;
  expect(asked).toEqual([0, 2, 0, 2, 4]);
  expect(looked).toEqual([0, 2, 0, 2, 4]);
  expect(names(recordings)).toEqual(['red.RU']);
  expect([recordings.busy, recordings.looked]).toEqual([false, 0]);
});

test('what comes to be in the state that is looked for counts as new, once', async () => {
  const { recordings } = of('a');
  const failed = (file_id: string, status = 'failed') => ({ id: 'e' + file_id, file_id, status });
  await recordings.load({ name: '', status: 'failed' });
  recordings.apply(events('decode', failed('a'), failed('n'), failed('n'), failed('m', 'running')));
  expect(recordings.fresh).toBe(1);
  await recordings.load({ name: 'red', status: 'failed' });
  expect(recordings.fresh).toBe(0);
  recordings.apply(events('file', { id: 'n', name: 'Red.RU' }, { id: 'm', name: 'blue.RU' }));
  expect(recordings.fresh).toBe(0);
  recordings.apply(events('decode', failed('n'), failed('m')));
  expect(recordings.fresh).toBe(1);
  await recordings.load({ name: 'red', status: '' });
  recordings.apply(events('file', { id: 'p', name: 'red.RU' }, { id: 'q', name: 'blue.RU' }));
  expect(recordings.fresh).toBe(1);
});
