import { cleanup, render } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../api/error';
import { I18n } from '../i18n/i18n.svelte';
import { App } from '../lib/app.svelte';
import TestPage from '../pages/TestPage.svelte';
import Drop from './Drop.svelte';
import type { Told } from './send';
import { Uploads } from './uploads.svelte';

let app: App;
const found = [{ file: new File(['x'], 'a'), path: 'a' }];

async function shown(sender: ConstructorParameters<typeof Uploads>[2]) {
  const i18n = new I18n();
  await i18n.load('en');
  app = new App([], i18n);
  Object.assign(app, { uploads: new Uploads(undefined, undefined, sender) });
  render(TestPage, { props: { app, page: Drop } });
  app.live.state = 'live';
  await vi.advanceTimersByTimeAsync(0);
}
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('an upload of which a script is missing has failed, and is not tried without an end', async () => {
  const asked = vi.fn(() => Promise.reject(new TypeError('Failed to fetch dynamically imported module')));
  await shown(asked);
  await app.uploads.add(found);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toHaveBeenCalledTimes(1);
  expect(app.uploads.items[0]).toMatchObject({ state: 'failed', error: { code: 'stale' } });
});

test('an upload without an answer is tried again ever more seldom while the stream is there, and not after the page', async () => {
  const told: Told[] = [];
  const send = (...[, , , one]: [unknown, unknown, unknown, Told]) => void told.push(one);
  await shown(async () => ({ send, settle: vi.fn(), tidy: vi.fn() }) as never);
  await app.uploads.add(found);
  const tries = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(0);
    told.at(-1)?.failed(new ApiError(0, {}));
    expect(app.uploads.items[0]).toMatchObject({ state: 'offline', error: { code: 'offline' } });
    flushSync();
    await vi.advanceTimersByTimeAsync(ms - 1);
    const before = told.length;
    await vi.advanceTimersByTimeAsync(1);
    return told.length - before;
  };
  for (const ms of [2000, 4000, 8000]) expect(await tries(ms)).toBe(1);
  expect(app.uploads.items[0]).toMatchObject({ state: 'running', error: undefined }); // no word of the one before
  told.at(-1)?.failed(new ApiError(0, {}));
  app.live.state = 'offline';
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told).toHaveLength(4);
  app.live.state = 'live';
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toHaveLength(5);
  expect(await tries(2000)).toBe(1); // the pauses begin anew
  told.at(-1)?.failed(new ApiError(0, {}));
  flushSync();
  cleanup();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told).toHaveLength(6);
});
