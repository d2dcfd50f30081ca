import { ApiError, asApiError } from '../api/error';

/** A thing that is fetched: what was there stays while a newer one is on its way, and one request at a time is in the air. */
export class Resource<T> {
  data: T | undefined = $state.raw();
  error: ApiError | undefined = $state.raw();
  /** A request is on its way. */
  busy = $state(false);
  /** It is for more than 150 ms: time to show that. */
  slow = $state(false);

  private running: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Fetches anew; an older request is cancelled, and its answer does not count any more. */
  async load(fetcher: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.running?.abort();
    const mine = (this.running = new AbortController());
    this.busy = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.slow = true), 150);
    try {
      const data = await fetcher(mine.signal);
      if (this.running !== mine) return;
      this.data = data;
      this.error = undefined;
    } catch (e) {
      if (this.running !== mine || mine.signal.aborted) return;
      this.error = asApiError(e);
    }
    this.settle();
  }

  /** Cancels what is on its way; to be called when the page goes. */
  stop(): void {
    this.running?.abort();
    this.running = undefined;
    this.settle();
  }

  private settle(): void {
    clearTimeout(this.timer);
    this.busy = false;
    this.slow = false;
  }
}
