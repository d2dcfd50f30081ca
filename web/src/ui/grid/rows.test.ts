import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RowStore } from './rows.svelte';
import type { GridSource, GridWindow } from './types';

const total = 3_000_000;

/** A table whose rows come when the test says so. */
function table() {
  const asked: { offset: number; signal: AbortSignal; come: () => void }[] = [];
  const source: GridSource = {
    key: 'k',
    columns: [],
    rows: total,
    sortable: true,
    window: (_query, offset, limit, signal) =>
      new Promise<GridWindow>((resolve, reject) => {
        const numbers = Array.from({ length: limit }, (_, i) => offset + i);
        const come = () => resolve({ rows: numbers.map((n) => [n]), numbers, total });
        signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
        asked.push({ offset, signal, come });
      }),
  };
  return { source, asked };
}

describe('RowStore', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  async function begun() {
    const { source, asked } = table();
    const store = new RowStore(source, { where: [] });
    store.want(0, 30);
    asked[0]?.come();
    await vi.advanceTimersByTimeAsync(0);
    return { store, asked };
  }

  it('asks at once for the first rows and gives them by place', async () => {
    const { store, asked } = await begun();
    expect(asked.map((a) => a.offset)).toEqual([0]);
    expect(store.get(7)).toEqual([7]);
    expect(store.indexOf(9)).toBe(9);
    expect(store.total).toBe(total);
    expect(store.version).toBe(1);
  });

  it('asks ahead while it is scrolled without a rest', async () => {
    const { store, asked } = await begun();
    for (let row = 0; row < 60; row += 3) {
      store.want(row, row + 30);
      await vi.advanceTimersByTimeAsync(16);
    }
    expect(asked.map((a) => a.offset)).toEqual([0, 128, 256]);
  });

  it('asks backwards when it is scrolled up', async () => {
    const { store, asked } = await begun();
    store.want(1280, 1310);
    await vi.advanceTimersByTimeAsync(50);
    asked.length = 0;
    store.want(1279, 1309);
    await vi.advanceTimersByTimeAsync(50);
    expect(asked.map((a) => a.offset)).toEqual([1152, 1024, 896]);
  });

  it('asks only where a dragged scroll bar rests, and cancels what was passed', async () => {
    const { store, asked } = await begun();
    store.want(1_000_000, 1_000_030);
    await vi.advanceTimersByTimeAsync(50);
    const passed = asked.at(-1);
    for (let row = 1_100_000; row <= 2_000_000; row += 100_000) {
      store.want(row, row + 30);
      await vi.advanceTimersByTimeAsync(16);
    }
    expect(passed?.signal.aborted).toBe(true);
    const before = asked.length;
    await vi.advanceTimersByTimeAsync(50);
    expect(asked.slice(before)[0]?.offset).toBe(2_000_000);
    expect(store.error).toBeUndefined();
  });

  it('keeps no more than a bounded number of windows', async () => {
    const { store, asked } = await begun();
    for (let w = 1; w < 200; w++) {
      store.want(w * 128, w * 128 + 30);
      await vi.advanceTimersByTimeAsync(50);
      asked.forEach((a) => a.come());
      await vi.advanceTimersByTimeAsync(0);
    }
    const there = Array.from({ length: 210 }, (_, w) => store.get(w * 128)).filter(Boolean);
    expect(there.length).toBeGreaterThan(10);
    expect(there.length).toBeLessThanOrEqual(48);
    expect(store.get(199 * 128)).toEqual([199 * 128]);
  });

  it('asks for nothing behind the end, nor after it was stopped', async () => {
    const { store, asked } = await begun();
    store.want(total - 30, total - 1);
    await vi.advanceTimersByTimeAsync(50);
    expect(asked.every((a) => a.offset < total)).toBe(true);
    store.want(0, 30);
    store.stop();
    const before = asked.length;
    await vi.advanceTimersByTimeAsync(100);
    expect(asked.length).toBe(before);
    expect(asked.slice(1).every((a) => a.signal.aborted)).toBe(true);
  });
});
