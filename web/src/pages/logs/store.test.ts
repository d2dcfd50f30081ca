import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LogLine } from '../../api/types';
import { lineOf } from './lines';
import { LogStore, most } from './store.svelte';

const line = (n: number, over: Partial<LogLine> = {}): LogLine => ({
  id: `run1-${n}`,
  timestamp: new Date(1e12 + n).toISOString(),
  level: 'info',
  logger: 'api',
  message: 'm' + n,
  request_id: null,
  correlation_id: null,
  fields: {},
  ...over,
});

class FakeSource extends EventTarget {
  static readonly CLOSED = 2;
  static made: FakeSource[] = [];
  readyState = 1;
  onopen?: () => void;
  onerror?: () => void;
  close = vi.fn();
  constructor() {
    super();
    FakeSource.made.push(this);
  }
  log(l: LogLine) {
    this.dispatchEvent(new MessageEvent('log', { data: JSON.stringify(l) }));
  }
}

let stop: (() => void) | undefined;
beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', FakeSource);
  FakeSource.made = [];
});
afterEach(() => {
  stop?.();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function begin(earlier: () => Promise<LogLine[] | undefined> = async () => []) {
  const store = new LogStore(earlier, () => new FakeSource() as unknown as EventSource);
  stop = store.start();
  await vi.advanceTimersByTimeAsync(0);
  return store;
}
const ids = (store: LogStore) => store.view.map((l) => l.id);

test('what was there and what the stream repeats is shown once, in order', async () => {
  const store = await begin(async () => [line(3), line(2), line(1)]);
  for (const n of [2, 3, 4]) FakeSource.made[0]!.log(line(n));
  await vi.advanceTimersByTimeAsync(250);
  expect(ids(store)).toEqual(['run1-1', 'run1-2', 'run1-3', 'run1-4']);
});

test('a paused view stays as it is and counts what matches, with the worst', async () => {
  const store = await begin(async () => [line(1)]);
  store.filter((l) => l.logger === 'api');
  store.stopAt('scrolled');
  FakeSource.made[0]!.log(line(2));
  FakeSource.made[0]!.log(line(3, { level: 'error' }));
  FakeSource.made[0]!.log(line(4, { logger: 'kv', level: 'error' }));
  await vi.advanceTimersByTimeAsync(250);
  expect(ids(store)).toEqual(['run1-1']);
  expect(store.fresh).toEqual({ lines: 2, warnings: 0, errors: 1 });
  store.go();
  expect(ids(store)).toEqual(['run1-1', 'run1-2', 'run1-3']);
  expect(store.paused).toBeUndefined();
});

test('a restart and a gap are marked', async () => {
  const store = await begin(async () => [line(1)]);
  FakeSource.made[0]!.dispatchEvent(new Event('reset'));
  FakeSource.made[0]!.log(line(5));
  FakeSource.made[0]!.log(line(1, { id: 'run2-1' }));
  await vi.advanceTimersByTimeAsync(250);
  expect(store.view.map((l) => l.cut)).toEqual([undefined, 'gap', 'restart']);
});

test('at most so many lines are kept, the newest', async () => {
  const store = await begin();
  for (let n = 1; n <= most + 5001; n++) store.take(lineOf(line(n)));
  store.flush();
  expect(store.lines).toHaveLength(most);
  expect(store.view).toHaveLength(most);
  expect(store.view[0]!.id).toBe('run1-5002');
  expect(store.trimmed).toBe(5001);
});

test('a stream that was refused or broke off for good is asked for again, with what was missed', async () => {
  const earlier = vi.fn(async () => [line(1)]);
  const store = await begin(earlier);
  FakeSource.made[0]!.readyState = 2;
  FakeSource.made[0]!.onerror?.();
  expect(store.state).toBe('lost');
  await vi.advanceTimersByTimeAsync(3000);
  expect(earlier).toHaveBeenCalledTimes(2);
  expect(FakeSource.made).toHaveLength(2);
});

test('nothing is connected where the appliance refuses, or the page has gone', async () => {
  await begin(async () => undefined);
  expect(FakeSource.made).toHaveLength(0);
  let answer: (lines: LogLine[]) => void = () => undefined;
  await begin(() => new Promise((resolve) => (answer = resolve)));
  stop?.();
  answer([line(1)]);
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeSource.made).toHaveLength(0);
});
