import { asApiError, type ApiError } from '../../api/error';
import type { GridQuery, GridSource } from './types';

const size = 128; // rows of a window
const most = 48; // windows that are kept
const calm = 40; // ms between askings while one scrolls, and of rest after a jump
const ahead = 2; // windows asked for before one comes to them

interface Window {
  rows: readonly (readonly unknown[])[];
  numbers: readonly number[];
}

/**
 * The rows of one question to a table, in windows: those that are seen are asked for, those that were scrolled past are
 * cancelled, and some that were seen last are kept.
 */
export class RowStore {
  /** Rows that match; undefined until the first answer. */
  total: number | undefined = $state();
  error: ApiError | undefined = $state.raw();
  /** Changes whenever rows came. */
  version = $state(0);

  private windows = new Map<number, Window>(); // the latest last
  private running = new Map<number, AbortController>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wanted: [number, number] = [0, 0];
  private direction: 1 | -1 = 1;

  constructor(
    private source: GridSource,
    readonly query: GridQuery,
  ) {
    const open = query.where.length === 0 && !query.q;
    if (open && source.rows !== null) this.total = source.rows;
  }

  get(index: number): readonly unknown[] | undefined {
    return this.windows.get(Math.floor(index / size))?.rows[index % size];
  }

  /** The number of a row in the whole table. */
  number(index: number): number | undefined {
    return this.windows.get(Math.floor(index / size))?.numbers[index % size];
  }

  /** Where a row of the whole table stands, if it is among those that are here. */
  indexOf(row: number): number | undefined {
    for (const [w, { numbers }] of this.windows) {
      const at = numbers.indexOf(row);
      if (at >= 0) return w * size + at;
    }
    return undefined;
  }

  /** Has the rows from first to last fetched, at once if none is there yet. */
  want(first: number, last: number): void {
    const before = this.wanted[0];
    this.wanted = [Math.floor(first / size), Math.floor(Math.max(first, last) / size)];
    const step = this.wanted[0] - before;
    if (step !== 0) this.direction = step > 0 ? 1 : -1;
    for (const [w, request] of this.running) {
      if (w < this.wanted[0] - ahead || w > this.wanted[1] + ahead) {
        request.abort();
        this.running.delete(w);
      }
    }
    if (Math.abs(step) > ahead) this.pause(); // the scroll bar is dragged: only where it rests
    if (this.windows.size === 0) this.fetchWanted();
    else this.timer ??= setTimeout(() => this.fetchWanted(), calm);
  }

  retry(): void {
    this.error = undefined;
    this.fetchWanted();
  }

  stop(): void {
    this.pause();
    for (const request of this.running.values()) request.abort();
    this.running.clear();
  }

  private pause(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private fetchWanted(): void {
    this.pause();
    for (let w = this.wanted[0]; w <= this.wanted[1]; w++) this.need(w);
    if (this.windows.size === 0) return; // what is seen comes first, and tells how much there is
    const edge = this.direction > 0 ? this.wanted[1] : this.wanted[0];
    for (let n = 1; n <= ahead; n++) {
      const w = edge + n * this.direction;
      if (w >= 0 && w * size < (this.total ?? 0)) this.need(w);
    }
  }

  private need(w: number): void {
    const kept = this.windows.get(w);
    if (kept) {
      this.windows.delete(w); // the latest goes last
      this.windows.set(w, kept);
    } else if (!this.running.has(w)) void this.fetch(w);
  }

  private async fetch(w: number): Promise<void> {
    const request = new AbortController();
    this.running.set(w, request);
    try {
      const answer = await this.source.window(this.query, w * size, size, request.signal);
      if (request.signal.aborted) return;
      this.windows.set(w, { rows: answer.rows, numbers: answer.numbers });
      for (const old of this.windows.keys()) {
        if (this.windows.size <= most) break;
        if (old < this.wanted[0] || old > this.wanted[1]) this.windows.delete(old);
      }
      if (answer.total !== null) this.total = answer.total;
      else this.total ??= w * size + answer.rows.length;
      this.error = undefined;
      this.version++;
    } catch (e) {
      if (!request.signal.aborted) this.error = asApiError(e);
    } finally {
      if (this.running.get(w) === request) this.running.delete(w);
    }
  }
}
