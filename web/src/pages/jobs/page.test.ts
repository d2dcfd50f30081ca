import { fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createApi } from '../../api/client';
import { I18n } from '../../i18n/i18n.svelte';
import { App } from '../../lib/app.svelte';
import { Prefs } from '../../lib/prefs.svelte';
import TestPage from '../TestPage.svelte';
import Jobs from './Jobs.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('the blank between two words of the filter stays while they are typed', async () => {
  const i18n = new I18n();
  await i18n.load('en');
  await i18n.pages();
  const quiet = { answered: () => undefined, unanswered: () => undefined };
  const none = async () =>
    new Response('{"items":[],"next_cursor":null}', { headers: { 'Content-Type': 'application/json' } });
  const app = new App([], i18n, new Prefs(undefined), createApi(quiet, 'http://x/api/v1', none as typeof fetch));
  app.router.go('/jobs');
  render(TestPage, { props: { app, page: Jobs } });
  await vi.advanceTimersByTimeAsync(0);
  const field = screen.getByRole<HTMLInputElement>('searchbox');
  const type = (value: string) => fireEvent.input(field, { target: { value } });
  await type('red ');
  await vi.advanceTimersByTimeAsync(250);
  expect([field.value, app.router.get('q')]).toEqual(['red ', 'red']);
  await type('red l');
  expect(field.value).toBe('red l');
  await vi.advanceTimersByTimeAsync(250);
  expect([field.value, app.router.get('q')]).toEqual(['red l', 'red l']);
});
