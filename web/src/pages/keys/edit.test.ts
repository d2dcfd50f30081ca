import { fireEvent, render, screen } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import { createApi } from '../../api/client';
import { I18n } from '../../i18n/i18n.svelte';
import { App } from '../../lib/app.svelte';
import { Prefs } from '../../lib/prefs.svelte';
import TestKeyDrawer from './TestKeyDrawer.svelte';

let app: App;
let sent: string[];
let now: { text: string; ttl: number | null };
let put: () => Response;
const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ETag: '"t1"' } });
const key = () => ({
  ...{ db: 0, key: 'aw', text: 'k', type: 'string', encoding: 'raw', length: 1, bytes: 64, ttl_ms: now.ttl },
  ...{ value: { text: now.text }, members: [], next_cursor: null },
});

beforeEach(async () => {
  sent = [];
  now = { text: 'a', ttl: 90_000 };
  put = () => json(key());
  const send = async (r: Request) => {
    if (r.method === 'GET') return json(key());
    sent.push(`${r.headers.get('If-Match')} ${await r.text()}`);
    return put();
  };
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  app = new App([], i18n, new Prefs(undefined), createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch));
});

const field = () => document.querySelector<HTMLTextAreaElement>('#key-value');
async function edit(text: string) {
  render(TestKeyDrawer, { app });
  await fireEvent.click(await screen.findByRole('button', { name: 'Edit' }));
  await fireEvent.input(field()!, { target: { value: text } });
}
const save = () => fireEvent.submit(field()!.form!);

test('the time that is left is what it is when the value is saved', async () => {
  await edit('b');
  now.ttl = 30_000; // as somebody else set it
  await save();
  await vi.waitFor(() => expect(field()).toBeNull());
  expect(JSON.parse(sent[0]!.replace('null ', ''))).toEqual({ type: 'string', value: { text: 'b' }, ttl_ms: 30_000 });
});

test('a value that never ends is saved over what was looked at', async () => {
  now.ttl = null;
  put = () => json({ code: 'precondition_failed' }, 412);
  await edit('b');
  await save();
  await vi.waitFor(() => expect(screen.getByText(/Somebody else changed this/)).toBeTruthy());
  expect(sent[0]).toMatch(/^"t1" /);
  expect(field()?.value).toBe('b');
});

test('what somebody else changed meanwhile is not written over, nor is what was typed', async () => {
  await edit('b');
  now.text = 'c';
  await save();
  await vi.waitFor(() => expect(screen.getByText(/Somebody else changed this/)).toBeTruthy());
  expect(sent).toEqual([]);
  expect(field()?.value).toBe('b');
  await fireEvent.click(screen.getByRole('button', { name: 'Load the newer state' }));
  await vi.waitFor(() => expect(field()?.value).toBe('c'));
  expect(screen.queryByText(/Somebody else changed this/)).toBeNull();
});
