import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { createApi } from '../../api/client';
import type { File as Recording } from '../../api/types';
import { I18n } from '../../i18n/i18n.svelte';
import { App } from '../../lib/app.svelte';
import { Prefs } from '../../lib/prefs.svelte';
import TestPage from '../TestPage.svelte';
import NewBatch from './NewBatch.svelte';

const stored = (id: string, hour: number, name = id) =>
  ({ id, name, created_at: `2026-11-28T${String(hour).padStart(2, '0')}:00:00.000000Z` }) as Recording;

test('recordings that a list has newest first are joined oldest first, those of one moment by their names', async () => {
  const sent: unknown[] = [];
  const send = async (r: Request) => {
    if (r.method === 'POST') sent.push(await r.json());
    return new Response(r.method === 'POST' ? '{"id":"b1"}' : '{"items":[]}', {
      headers: { 'Content-Type': 'application/json' },
    });
  };
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  const api = createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch);
  const app = new App([], i18n, new Prefs(undefined), api);
  const list = [stored('f4', 12), stored('f3', 11, 'h10'), stored('f2', 11, 'h9'), stored('f1', 9)];
  const given = { open: true, stored: list, onclose: () => undefined, onmade: () => undefined };
  render(TestPage, { props: { app, page: NewBatch, given } });
  await fireEvent.click(screen.getByRole('checkbox', { name: /one recording/ }));
  expect(screen.getByText(/from f1 to f4/)).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Make the batch' }));
  await vi.waitFor(() => expect(sent).toMatchObject([{ combine: true, file_ids: ['f1', 'f2', 'f3', 'f4'] }]));
});
