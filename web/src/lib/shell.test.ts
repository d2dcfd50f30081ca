import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../api/error';
import { Shell } from './shell.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('what is destructive is done after eight seconds, once', () => {
  const shell = new Shell();
  const run = vi.fn();
  shell.later('It is deleted.', run);
  expect(shell.pending.map((p) => [p.text, p.at - Date.now()])).toEqual([['It is deleted.', 8000]]);
  expect(shell.said).toBe('It is deleted.');
  vi.advanceTimersByTime(7999);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledOnce();
  expect(shell.pending).toEqual([]);
});

test('it can be taken back, alone', () => {
  const shell = new Shell();
  const [a, b, undone] = [vi.fn(), vi.fn(), vi.fn()];
  shell.later('a', a, undone);
  shell.later('b', b);
  shell.pending[0]!.undo();
  expect(undone).toHaveBeenCalledOnce();
  vi.runAllTimers();
  expect(a).not.toHaveBeenCalled();
  expect(b).toHaveBeenCalledOnce();
});

test('what was done and what went wrong take each other’s place', () => {
  const shell = new Shell();
  shell.fail('It did not work.', new ApiError(0, {}));
  shell.tell('Done.', '/jobs', 'Show');
  expect(shell.failed).toBeUndefined();
  expect(shell.told).toEqual({ text: 'Done.', href: '/jobs', action: 'Show' });
  shell.fail('Again.', new ApiError(500, {}));
  expect(shell.told).toBeUndefined();
  expect(shell.failed?.what).toBe('Again.');
});
