import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Live, type Changes } from './live.svelte';

class Source extends EventTarget {
  static all: Source[] = [];
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  constructor(readonly url: string) {
    super();
    Source.all.push(this);
  }
  close() {
    this.closed = true;
  }
  send(type: string, data: unknown, lastEventId = '') {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId }));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  Source.all = [];
});
afterEach(() => vi.useRealTimers());

const make = () => new Live((url) => new Source(url) as unknown as EventSource);

it('hands on the newest state of each thing, four times a second at most', () => {
  const live = make();
  const end = live.start();
  const lots: Changes[] = [];
  live.on(['job'], (c) => lots.push(c));
  const source = Source.all[0]!;
  source.onopen?.();
  expect(live.state).toBe('live');
  source.send('job', { id: 'j1', status: 'ready' });
  source.send('job', { id: 'j2', status: 'ready' });
  source.send('job', { id: 'j1', status: 'active' });
  source.send('file', { id: 'f1' });
  expect(lots).toHaveLength(0);
  vi.advanceTimersByTime(250);
  expect(lots).toHaveLength(1);
  expect(lots[0]!.items.get('job')).toEqual([
    { id: 'j2', status: 'ready' },
    { id: 'j1', status: 'active' },
  ]);
  source.send('file', { id: 'f2' });
  vi.advanceTimersByTime(250);
  expect(lots).toHaveLength(1);
  source.send('reset', { topics: ['job'] });
  vi.advanceTimersByTime(250);
  expect(lots[1]!.reset.has('job')).toBe(true);
  end();
  expect(source.closed).toBe(true);
});

it('comes back where it was, with a growing pause', () => {
  const live = make();
  live.start();
  const first = Source.all[0]!;
  first.onopen?.();
  first.send('job', { id: 'j1' }, 'run-7');
  first.onerror?.();
  expect(live.state).toBe('offline');
  expect(live.since).toBeInstanceOf(Date);
  vi.advanceTimersByTime(1000);
  expect(Source.all).toHaveLength(2);
  expect(Source.all[1]!.url).toContain('last_event_id=run-7');
  Source.all[1]!.onerror?.();
  vi.advanceTimersByTime(1999);
  expect(Source.all).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(Source.all).toHaveLength(3);
  first.onerror?.(); // an old one does not count
  expect(live.attempt).toBe(2);
  Source.all[2]!.onopen?.();
  expect(live.state).toBe('live');
  expect(live.attempt).toBe(0);
  live.stop();
});

it('has everything fetched anew when it comes back without a place to go on from', () => {
  const live = make();
  live.start();
  const lots: Changes[] = [];
  live.on(['file'], (c) => lots.push(c));
  Source.all[0]!.onopen?.();
  vi.advanceTimersByTime(250);
  expect(lots).toHaveLength(0); // the first time nothing is known yet
  Source.all[0]!.onerror?.();
  vi.advanceTimersByTime(1000);
  Source.all[1]!.onopen?.();
  vi.advanceTimersByTime(250);
  expect(lots).toHaveLength(1);
  expect(lots[0]!.reset.has('file')).toBe(true);
});

it('hands on after an end and another start, and has everything fetched anew', () => {
  const live = make();
  const end = live.start();
  const lots: Changes[] = [];
  live.on(['job'], (c) => lots.push(c));
  Source.all[0]!.send('job', { id: 'j1' });
  end();
  vi.advanceTimersByTime(250);
  expect(lots).toHaveLength(0);
  live.start();
  vi.advanceTimersByTime(250);
  expect(lots[0]!.items.get('job')).toEqual([{ id: 'j1' }]);
  expect(lots[0]!.reset.has('job')).toBe(true);
  Source.all[1]!.send('job', { id: 'j2' });
  vi.advanceTimersByTime(250);
  expect(lots[1]!.items.get('job')).toEqual([{ id: 'j2' }]);
});
