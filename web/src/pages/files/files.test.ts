import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createApi } from '../../api/client';
import { I18n } from '../../i18n/i18n.svelte';
import { App } from '../../lib/app.svelte';
import { Prefs } from '../../lib/prefs.svelte';
import TestPage from '../TestPage.svelte';
import Files from './Files.svelte';

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
let app: App;
let answer: (r: Request, url: URL) => Response;

async function shown() {
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  const send = async (r: Request) => answer(r, new URL(r.url));
  app = new App([], i18n, new Prefs(undefined), createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch));
  app.session.info = { required: true, signed_in: true, scopes: ['admin'] } as unknown as typeof app.session.info;
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
