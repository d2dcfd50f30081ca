import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../api/error';
import { Resource } from './resource.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function open<T>() {
  let resolve!: (v: T) => void;
  let reject!: (e: unknown) => void;
  let signal!: AbortSignal;
  const promise = new Promise<T>((a, b) => ([resolve, reject] = [a, b]));
  return {
    fetch: (s: AbortSignal) => {
      signal = s;
      return promise;
    },
    resolve: (v: T) => resolve(v),
    reject: (e: unknown) => reject(e),
    aborted: () => signal.aborted,
  };
}

test('an older request is cancelled, and its answer does not count', async () => {
  const r = new Resource<string>();
  const [old, young] = [open<string>(), open<string>()];
  const first = r.load(old.fetch);
  const second = r.load(young.fetch);
  expect(old.aborted()).toBe(true);
  young.resolve('new');
  await second;
  old.resolve('old');
  await first;
  expect(r.data).toBe('new');
  expect(r.busy).toBe(false);
});

test('what was there stays while a newer one comes, and when that fails', async () => {
  const r = new Resource<number>();
  await r.load(async () => 1);
  const next = open<number>();
  const loading = r.load(next.fetch);
  expect([r.data, r.busy]).toEqual([1, true]);
  next.reject(new ApiError(500, { code: 'internal', detail: 'broken' }));
  await loading;
  expect([r.data, r.error?.code, r.busy]).toEqual([1, 'internal', false]);
  await r.load(async () => 2);
  expect([r.data, r.error]).toEqual([2, undefined]);
});

test('it is slow after 150 ms', async () => {
  const r = new Resource<number>();
  const one = open<number>();
  const loading = r.load(one.fetch);
  vi.advanceTimersByTime(149);
  expect(r.slow).toBe(false);
  vi.advanceTimersByTime(1);
  expect(r.slow).toBe(true);
  one.resolve(1);
  await loading;
  expect(r.slow).toBe(false);
});

test('a quick answer never counts as slow', async () => {
  const r = new Resource<number>();
  await r.load(async () => 1);
  vi.advanceTimersByTime(1000);
  expect(r.slow).toBe(false);
});

test('stopping cancels and leaves no error', async () => {
  const r = new Resource<number>();
  const one = open<number>();
  const loading = r.load(one.fetch);
  r.stop();
  expect(one.aborted()).toBe(true);
  one.reject(new DOMException('aborted', 'AbortError'));
  await loading;
  expect([r.busy, r.error, r.data]).toEqual([false, undefined, undefined]);
});

test('no answer at all is told as such', async () => {
  const r = new Resource<number>();
  await r.load(() => Promise.reject(new TypeError('Failed to fetch')));
  expect(r.error?.offline).toBe(true);
});
