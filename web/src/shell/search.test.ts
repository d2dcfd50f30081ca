import { fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createApi } from '../api/client';
import { App } from '../lib/app.svelte';
import { I18n } from '../i18n/i18n.svelte';
import { Prefs } from '../lib/prefs.svelte';
import TestSearch from './TestSearch.svelte';
import { suggest } from './suggest';

const quiet = { answered: () => undefined, unanswered: () => undefined };
const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });

function api(answers: Record<string, () => Response>, asked: string[] = []) {
  const send = async (r: Request) => {
    const url = new URL(r.url);
    asked.push(url.pathname.replace('/api/v1', '') + url.search);
    return answers[url.pathname.replace('/api/v1', '')]?.() ?? json({ items: [] });
  };
  return createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch);
}
const files = () => json({ items: [{ id: 'f1', name: 'run.RU' }] });
const jobs = () => json({ items: [{ id: 'j0000001', type: 'decode', queue: 'decode', status: 'dead' }] });

test('pages, files and jobs; what one cannot answer leaves the others', async () => {
  const asked: string[] = [];
  const signal = new AbortController().signal;
  const pages = [
    { href: '/logs', text: 'Logs' },
    { href: '/files', text: 'Files' },
  ];
  const broken = () => json({ code: 'internal' }, 500);
  const got = await suggest(api({ '/files': files, '/jobs': broken }, asked), 'Lo', pages, signal);
  expect(got.map((s) => s.href)).toEqual(['/logs', '/files/f1']);
  expect(asked).toEqual(['/files?name=Lo&limit=5', '/jobs?q=Lo&limit=5']);
});

test('what looks like a job’s id is one', async () => {
  const asked: string[] = [];
  const got = await suggest(api({ '/jobs': jobs }, asked), 'j0000001', [], new AbortController().signal);
  expect(asked[1]).toBe('/jobs?ids=j0000001&limit=5');
  expect(got).toEqual([{ kind: 'job', href: '/jobs?job=j0000001', text: 'decode j0000001', note: 'decode · dead' }]);
});

let app: App;
beforeEach(async () => {
  vi.useFakeTimers();
  const i18n = new I18n();
  await i18n.load('en');
  app = new App([], i18n, new Prefs(undefined), api({ '/files': files, '/jobs': jobs }));
});
afterEach(() => void vi.useRealTimers());

async function typed(text: string) {
  render(TestSearch, { app });
  const field = screen.getByRole('combobox');
  await fireEvent.focus(field);
  await fireEvent.input(field, { target: { value: text } });
  await vi.advanceTimersByTimeAsync(400);
  return field;
}

test('arrows choose and wrap, Enter goes there, and the field says which it is', async () => {
  const go = vi.spyOn(app.router, 'go').mockImplementation(() => undefined);
  const field = await typed('run');
  expect(field.getAttribute('aria-expanded')).toBe('true');
  expect(screen.getAllByRole('option')).toHaveLength(2);
  expect(app.shell.said).toBe('2 suggestions');
  await fireEvent.keyDown(field, { key: 'ArrowUp' });
  expect(field.getAttribute('aria-activedescendant')).toBe(screen.getAllByRole('option')[1]!.id);
  await fireEvent.keyDown(field, { key: 'ArrowDown' });
  expect(field.hasAttribute('aria-activedescendant')).toBe(false);
  await fireEvent.keyDown(field, { key: 'ArrowDown' });
  await fireEvent.submit(field.closest('form')!);
  expect(go).toHaveBeenCalledWith('/files/f1');
});

test('Enter without a choice lists files; Esc closes the list first', async () => {
  const go = vi.spyOn(app.router, 'go').mockImplementation(() => undefined);
  const field = await typed('run');
  await fireEvent.keyDown(field, { key: 'Escape' });
  expect(field.getAttribute('aria-expanded')).toBe('false');
  await fireEvent.submit(field.closest('form')!);
  expect(go).toHaveBeenCalledWith('/files?q=run');
});

test('one letter asks for nothing', async () => {
  const field = await typed('r');
  expect(field.getAttribute('aria-expanded')).toBe('false');
});
