import { asApiError, type ApiError } from '../../api/error';
import type { KeyLine } from '../../api/types';
import { idOf } from './tree';

export interface Page {
  items: KeyLine[];
  next_cursor: string | null;
}

const enough = 200; // keys that one go should bring
const goes = 25; // answers without enough of them after which the reader decides whether it goes on

/** A walk through the keyspace, which comes in pieces and in no order, and may bring a key twice. */
export class Scan {
  lines: KeyLine[] = $state.raw([]);
  error: ApiError | undefined = $state.raw();
  busy = $state(false);
  slow = $state(false);
  done = $state(false);

  private cursor: string | undefined;
  private running: AbortController | undefined;
  private fetcher: ((cursor: string | undefined, signal: AbortSignal) => Promise<Page>) | undefined;

  /** Begins anew; what is shown stays until the first answer. */
  async start(fetcher: (cursor: string | undefined, signal: AbortSignal) => Promise<Page>): Promise<void> {
    this.stop();
    this.fetcher = fetcher;
    this.cursor = undefined;
    this.done = false;
    await this.go(true);
  }

  async more(): Promise<void> {
    if (!this.busy && !this.done) await this.go(false);
  }

  stop(): void {
    this.running?.abort();
    this.running = undefined;
    this.busy = false;
    this.slow = false;
  }

  /** Takes a key out of what is shown, or puts a newer state in its place. */
  put(id: string, line: KeyLine | undefined): void {
    this.lines = this.lines.flatMap((l) => (idOf(l) !== id ? [l] : line ? [line] : []));
  }

  private async go(anew: boolean): Promise<void> {
    if (!this.fetcher) return;
    const mine = (this.running = new AbortController());
    this.busy = true;
    const timer = setTimeout(() => (this.slow = true), 150);
    let lines = anew ? [] : this.lines;
    const from = lines.length;
    try {
      for (let i = 0; i < goes && lines.length - from < enough && !this.done; i++) {
        const page: Page = await this.fetcher(this.cursor, mine.signal);
        if (this.running !== mine) return;
        lines = merged(lines, page.items);
        this.lines = lines;
        this.error = undefined;
        this.cursor = page.next_cursor ?? undefined;
        this.done = this.cursor === undefined;
      }
    } catch (e) {
      if (this.running !== mine) return;
      this.error = asApiError(e);
      if (anew) this.lines = [];
    } finally {
      clearTimeout(timer);
      if (this.running === mine) {
        this.busy = false;
        this.slow = false;
      }
    }
  }
}

function merged(lines: KeyLine[], more: KeyLine[]): KeyLine[] {
  const known = new Map(lines.map((l) => [idOf(l), l]));
  for (const line of more) known.set(idOf(line), line);
  return [...known.values()];
}
