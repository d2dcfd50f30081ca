import type { LogLine } from '../../api/types';
import { placeOf, lineOf, type Line } from './lines';

export const most = 100_000; // lines kept in the browser
const slack = 5000; // so that trimming is seldom
const pause = 250; // ms: at most four repaints a second

/** Why new lines are not shown at once. */
export type Pause = { at: Date; why: 'scrolled' | 'asked' | 'open' };

/**
 * The lines that came, and those of them that are shown. While the view is paused it stays as it is, and what comes is
 * counted. The arrays are changed in place; `version` says when.
 */
export class LogStore {
  version = $state(0);
  state: 'connecting' | 'live' | 'lost' = $state('connecting');
  paused: Pause | undefined = $state.raw();
  /** Of the paused: lines that came since and match, and the worst rank among them. */
  fresh = $state.raw({ lines: 0, warnings: 0, errors: 0 });
  /** Lines a second, of the last ten seconds. */
  rate = $state(0);
  readonly lines: Line[] = [];
  view: Line[] = [];
  /** How many lines have left the view at its beginning. */
  trimmed = 0;

  private matches: (line: Line) => boolean = () => true;
  private source: EventSource | undefined;
  private waiting: Line[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private last: { run: string; n: number } | undefined;
  private gap = false;
  private ended = false;
  private arrivals: number[] = [];

  constructor(
    /** Lines before those that the stream begins with, the newest first; undefined: the appliance refused. */
    private readonly earlier: () => Promise<LogLine[] | undefined>,
    private readonly open: (url: string) => EventSource = (url) => new EventSource(url),
  ) {}

  start(): () => void {
    this.ended = false;
    void this.begin();
    const timer = setInterval(() => this.measure(), 1000);
    return () => {
      this.ended = true;
      clearInterval(timer);
      clearTimeout(this.timer);
      clearTimeout(this.retry);
      this.source?.close();
      this.source = undefined;
    };
  }

  filter(matches: (line: Line) => boolean): void {
    this.matches = matches;
    this.view = this.lines.filter(matches);
    this.trimmed = 0;
    this.fresh = { lines: 0, warnings: 0, errors: 0 };
    this.version++;
  }

  /** Whether a line is one of those that are asked for. */
  fits(line: Line): boolean {
    return this.matches(line);
  }

  stopAt(why: Pause['why']): void {
    if (!this.paused) this.paused = { at: new Date(), why };
  }

  /** Shows what came meanwhile, and follows again. */
  go(): void {
    if (!this.paused) return;
    this.paused = undefined;
    this.filter(this.matches);
  }

  /** Takes lines in as the stream brings them. */
  take(line: Line): void {
    const place = placeOf(line.id);
    if (this.last?.run === place.run && place.n <= this.last.n) return; // shown already: the stream began anew
    if (this.last && this.last.run !== place.run) line.cut = 'restart';
    else if (this.gap) line.cut = 'gap';
    this.gap = false;
    this.last = place;
    this.waiting.push(line);
    this.timer ??= setTimeout(() => this.flush(), pause);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const came = this.waiting;
    this.waiting = [];
    if (came.length === 0) return;
    this.arrivals.push(...came.filter((l) => Date.now() - l.ms < 10_000).map((l) => l.ms));
    for (const line of came) this.lines.push(line);
    if (this.lines.length > most + slack) this.lines.splice(0, this.lines.length - most);
    const fits = came.filter(this.matches);
    if (this.paused) {
      this.fresh = {
        lines: this.fresh.lines + fits.length,
        warnings: this.fresh.warnings + fits.filter((l) => l.rank === 2).length,
        errors: this.fresh.errors + fits.filter((l) => l.rank === 3).length,
      };
    } else {
      for (const line of fits) this.view.push(line);
      if (this.view.length > most + slack) {
        this.trimmed += this.view.length - most;
        this.view.splice(0, this.view.length - most);
      }
    }
    this.version++;
  }

  // What was logged before, then what comes: the stream begins with lines that are there already.
  private async begin(): Promise<void> {
    clearTimeout(this.retry);
    try {
      const lines = await this.earlier();
      if (this.ended || !lines) return;
      for (const line of lines.reverse()) this.take(lineOf(line));
      this.flush();
      this.connect();
    } catch {
      if (this.ended) return;
      this.state = 'lost';
      this.retry = setTimeout(() => void this.begin(), 3000);
    }
  }

  private connect(): void {
    this.source?.close();
    const source = (this.source = this.open('/api/v1/logs?follow=1'));
    source.onopen = () => (this.state = 'live');
    source.addEventListener('log', (e) => this.take(lineOf(JSON.parse((e as MessageEvent<string>).data) as LogLine)));
    source.addEventListener('reset', () => (this.gap = this.lines.length + this.waiting.length > 0));
    source.onerror = () => this.lost(source);
  }

  // The browser connects again by itself, but not after an answer that is none.
  private lost(source: EventSource): void {
    if (source !== this.source) return;
    this.state = 'lost';
    if (source.readyState !== EventSource.CLOSED) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.begin(), 3000);
  }

  private measure(): void {
    const since = Date.now() - 10_000;
    this.arrivals = this.arrivals.filter((ms) => ms > since);
    this.rate = this.arrivals.length / 10;
  }
}
