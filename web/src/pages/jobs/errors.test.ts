import { expect, it, vi } from 'vitest';
import { LastErrors } from './errors.svelte';

const job = (id: string, status: 'dead' | 'ready' | 'retry' = 'dead', attempt = 1) => ({ id, status, attempt });

it('asks once for each attempt, and only of jobs that may have failed', async () => {
  const ask = vi.fn((id: string) => Promise.resolve('error of ' + id));
  const errors = new LastErrors(ask);
  errors.want([job('a'), job('b', 'ready')]);
  await vi.waitFor(() => expect(errors.of(job('a'))).toBe('error of a'));
  errors.want([job('a'), job('b', 'ready')]);
  expect(ask).toHaveBeenCalledTimes(1);
  errors.want([job('a', 'retry', 2)]);
  expect(ask).toHaveBeenCalledTimes(2);
});

it('has no more than some requests in the air, and stops', async () => {
  const open: (() => void)[] = [];
  const signals: AbortSignal[] = [];
  const errors = new LastErrors((_, signal) => {
    signals.push(signal);
    return new Promise((done) => open.push(() => done('x')));
  }, 2);
  errors.want(['a', 'b', 'c', 'd'].map((id) => job(id)));
  expect(open).toHaveLength(2);
  open[0]?.();
  await vi.waitFor(() => expect(open).toHaveLength(3));
  errors.stop();
  expect(signals[1]?.aborted).toBe(true);
  open[1]?.();
  open[2]?.();
  await vi.waitFor(() => expect(errors.of(job('c'))).toBe('x'));
  expect(open).toHaveLength(3);
});
