import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createApi } from '../../api/client';
import type { LiveItem, Topic } from '../../api/live.svelte';
import { I18n } from '../../i18n/i18n.svelte';
import { App } from '../../lib/app.svelte';
import { Prefs } from '../../lib/prefs.svelte';
import TestPage from '../TestPage.svelte';
import Files from './Files.svelte';

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
let app: App;
let answer: (r: Request, url: URL) => Response | Promise<Response>;

/** What the stream of events tells. */
let push: (topic: Topic, ...items: LiveItem[]) => void;

async function shown() {
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  const send = async (r: Request) => answer(r, new URL(r.url));
  app = new App([], i18n, new Prefs(undefined), createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch));
  app.session.info = { required: true, signed_in: true, scopes: ['admin'] } as unknown as typeof app.session.info;
  const listeners: Parameters<typeof app.live.on>[1][] = [];
  vi.spyOn(app.live, 'on').mockImplementation((_, listener) => {
    listeners.push(listener);
    return () => true;
  });
  push = (topic, ...items) => {
    for (const listener of listeners) listener({ items: new Map([[topic, items]]), reset: new Set() });
  };
  app.router.go('/files');
  render(TestPage, { props: { app, page: Files } });
  await vi.advanceTimersByTimeAsync(0);
}
beforeEach(() => {
  vi.useFakeTimers();
  answer = () => json({ items: [], next_cursor: null });
});
afterEach(() => void vi.useRealTimers());

test('the blank between two words stays while they are typed; a page that goes writes no address', async () => {
  await shown();
  const field = screen.getByRole<HTMLInputElement>('searchbox', { name: 'Filter by name' });
  const type = (value: string) => fireEvent.input(field, { target: { value } });
  await type('red ');
  await vi.advanceTimersByTimeAsync(200);
  expect([field.value, app.router.get('q')]).toEqual(['red ', 'red']);
  await type('red l');
  expect(field.value).toBe('red l');
  await vi.advanceTimersByTimeAsync(200);
  expect([field.value, app.router.get('q')]).toEqual(['red l', 'red l']);
  app.router.set({ q: null });
  await vi.advanceTimersByTimeAsync(0);
  expect(field.value).toBe('');
  await type('late');
  cleanup();
  await vi.advanceTimersByTimeAsync(1000);
  expect(app.router.get('q')).toBeNull();
});

const recording = (i: number) => ({ id: 'f' + i, name: `run${i}.RU`, decodes: [], size: 1, created_at: null });
/** Pages of five, the newest first. */
const filesOf = (count: number, url: URL) => {
  const from = Number(url.searchParams.get('cursor') ?? 0);
  const items = Array.from({ length: Math.min(5, count - from) }, (_, i) => recording(count - from - i));
  return json({ items, next_cursor: from + 5 < count ? String(from + 5) : null });
};

test('what is ticked stays so when the list begins anew, and all of it is deleted; the first refusal is told', async () => {
  const deleted: string[] = [];
  answer = (r, url) => {
    if (r.method === 'DELETE') {
      deleted.push(url.pathname.split('/').at(-1) ?? '');
      if (deleted.length < 3)
        return json({ code: 'conflict', detail: 'it is held', request_id: 'r' + deleted.length }, 409);
      return new Response(null, { status: 204 });
    }
    return url.pathname.endsWith('/files') ? filesOf(8, url) : json({ items: [], next_cursor: null });
  };
  await shown();
  await fireEvent.scroll(screen.getByRole('region', { name: 'Files' }));
  await vi.advanceTimersByTimeAsync(0);
  await fireEvent.click(screen.getByRole('checkbox', { name: 'Select all shown' }));
  expect(screen.getByText('8 recordings selected')).toBeTruthy();
  app.uploads.finished++;
  await vi.advanceTimersByTimeAsync(0);
  expect(screen.getAllByRole('row')).toHaveLength(6);
  expect(screen.getByText('8 recordings selected')).toBeTruthy();
  push('file', { id: 'f5', deleted: true });
  await vi.advanceTimersByTimeAsync(0);
  await fireEvent.click(screen.getByRole('button', { name: 'Delete 7' }));
  await vi.advanceTimersByTimeAsync(8000);
  await vi.waitFor(() => expect(deleted).toHaveLength(7));
  expect(new Set(deleted).size).toBe(7);
  expect(deleted).not.toContain('f5');
  await vi.waitFor(() => expect(app.shell.failed?.what).toBe('5 deleted, 2 not.'));
  expect(app.shell.failed?.error).toMatchObject({ message: 'it is held', requestId: 'r1' });
});

test('a recording of a state is found by its name behind the first page, and none is not said before', async () => {
  let go = () => {};
  const more = new Promise<void>((ok) => (go = ok));
  answer = async (_, url) => {
    const file = url.pathname.split('/files/')[1];
    if (file) return json({ ...recording(1), id: file, name: file });
    if (!url.searchParams.has('status')) return json({ items: [], next_cursor: null });
    if (url.searchParams.has('cursor')) await more;
    const at = url.searchParams.has('cursor') ? 'red' : 'blue';
    const decode = { id: 'd' + at, file_id: at, status: 'failed', rows: 0, issues: { warnings: 0, errors: 0 } };
    return json({ items: [decode], next_cursor: at === 'blue' ? '1' : null });
  };
  await shown();
  expect(screen.getByText('No recordings yet')).toBeTruthy();
  app.router.set({ q: 'red', status: 'failed' });
  await vi.waitFor(() => expect(screen.getByText('Looking through older ones: 1 so far')).toBeTruthy());
  expect(screen.queryByText('No recording matches')).toBeNull();
  go();
  await vi.waitFor(() => expect(screen.getByRole('link', { name: 'red' })).toBeTruthy());
  expect(screen.queryByText(/Looking through/)).toBeNull();
});
