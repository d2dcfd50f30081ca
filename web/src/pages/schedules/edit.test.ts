import { fireEvent, render, screen } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import { createApi } from '../../api/client';
import { I18n } from '../../i18n/i18n.svelte';
import { App } from '../../lib/app.svelte';
import { Prefs } from '../../lib/prefs.svelte';
import TestEditSchedule from './TestEditSchedule.svelte';

let app: App;
let asked: string[];
const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });

beforeEach(async () => {
  asked = [];
  const send = (r: Request) => {
    const cron = new URL(r.url).searchParams.get('cron') ?? '';
    asked.push(cron);
    const wrong = { code: 'validation_failed', errors: [{ field: 'cron', message: 'five or six fields' }] };
    const times = [
      { at: '2026-11-30T02:00:00.000000Z', local: '2026-11-30T03:00:00+01:00' },
      { at: '2026-12-01T02:00:00.000000Z', local: '2026-12-01T03:00:00+01:00' },
    ];
    return Promise.resolve(cron === 'never' ? json(wrong, 422) : json({ times }));
  };
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  app = new App([], i18n, new Prefs(undefined), createApi(quiet, 'http://x/api/v1', send as unknown as typeof fetch));
});

const cron = () => screen.getByRole<HTMLInputElement>('textbox', { name: /^when/ });
const times = () => screen.queryByRole('list', { name: 'The next times' })?.children;

test('when it fires is shown while it is typed, and what is wrong at its field, before it is saved', async () => {
  render(TestEditSchedule, { app });
  await vi.waitFor(() => expect(times()).toHaveLength(2));
  expect(times()?.[0]?.textContent).toMatch(/Mon\s+2026-11-30 03:00:00 \+01:00/);
  expect(screen.getByText('every day at 03:00')).toBeTruthy();

  await fireEvent.input(cron(), { target: { value: 'n' } });
  await fireEvent.input(cron(), { target: { value: 'never' } });
  await vi.waitFor(() => expect(screen.getByText('five or six fields')).toBeTruthy());
  expect(cron().getAttribute('aria-invalid')).toBe('true');
  expect(times()).toBeUndefined();
  expect(screen.queryByText('never')).toBeNull();

  await fireEvent.input(cron(), { target: { value: '*/5 * * * *' } });
  await vi.waitFor(() => expect(times()).toHaveLength(2));
  expect(screen.queryByText('five or six fields')).toBeNull();
  expect(asked).toEqual(['0 3 * * *', 'never', '*/5 * * * *']);
});
