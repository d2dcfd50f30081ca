export type Topic = 'file' | 'decode' | 'batch' | 'job' | 'queue' | 'plugin' | 'alert';
const topics: readonly Topic[] = ['file', 'decode', 'batch', 'job', 'queue', 'plugin', 'alert'];

/** What happened since the last time: the newest state of each thing, by topic. */
export interface Changes {
  items: ReadonlyMap<Topic, readonly LiveItem[]>;
  /** Topics of which events were left out: what is shown of them is to be fetched anew. */
  reset: ReadonlySet<Topic>;
}

/** A thing as the API gives it, or `deleted`. */
export type LiveItem = Record<string, unknown> & { id?: string; name?: string; deleted?: boolean };

type Listener = (changes: Changes) => void;

const pause = 250; // ms: at most four repaints a second
const longest = 30; // s between two tries

/**
 * The stream of events, shared by all pages. It says whether the appliance is there, tries again by itself with a growing
 * pause, and hands events on in lots, so that nothing is painted more than four times a second.
 */
export class Live {
  state: 'connecting' | 'live' | 'offline' = $state('connecting');
  /** When it was lost. */
  since: Date | undefined = $state.raw();
  attempt = $state(0);
  /** When the next try is, in milliseconds of Unix time. */
  nextTry = $state(0);
  lastEvent: Date | undefined = $state.raw();

  private source: EventSource | undefined;
  private ended = false;
  private lastId = '';
  private listeners = new Map<Listener, readonly Topic[]>();
  private items = new Map<Topic, Map<string, LiveItem>>();
  private resets = new Set<Topic>();
  private flushTimer: ReturnType<typeof setTimeout> | undefined;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private open: (url: string) => EventSource = (url) => new EventSource(url)) {}

  /** Connects; call the result to end. */
  start(): () => void {
    this.connect();
    if (this.ended) this.again();
    return () => this.stop();
  }

  stop(): void {
    this.ended = true;
    clearTimeout(this.retryTimer);
    clearTimeout(this.flushTimer);
    this.flushTimer = undefined;
    this.source?.close();
    this.source = undefined;
  }

  /** Tries at once. */
  retry(): void {
    clearTimeout(this.retryTimer);
    this.connect();
  }

  /** Has a listener called with what changes; the result ends that. Use it in an $effect. */
  on(wanted: readonly Topic[], listener: Listener): () => void {
    this.listeners.set(listener, wanted);
    return () => this.listeners.delete(listener);
  }

  private connect(): void {
    this.source?.close();
    const after = this.lastId ? '&last_event_id=' + encodeURIComponent(this.lastId) : '';
    const source = (this.source = this.open('/api/v1/events?topics=' + topics.join(',') + after));
    source.onopen = () => {
      // Before the first event there is no place to go on from: what happened meanwhile nobody tells.
      if (this.state === 'offline' && !this.lastId) this.again();
      this.state = 'live';
      this.attempt = 0;
      this.since = undefined;
    };
    source.onerror = () => this.lost(source);
    for (const topic of topics) source.addEventListener(topic, (e) => this.take(topic, e as MessageEvent<string>));
    source.addEventListener('reset', (e) => this.missed(e as MessageEvent<string>));
  }

  private lost(source: EventSource): void {
    if (source !== this.source) return;
    source.close();
    if (this.state !== 'offline') this.since = new Date();
    this.state = 'offline';
    this.attempt++;
    const wait = Math.min(2 ** (this.attempt - 1), longest) * 1000;
    this.nextTry = Date.now() + wait;
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.connect(), wait);
  }

  private take(topic: Topic, e: MessageEvent<string>): void {
    this.note(e);
    const item = JSON.parse(e.data) as LiveItem;
    const key = String(item.id ?? item.name ?? '');
    let lot = this.items.get(topic);
    if (!lot) this.items.set(topic, (lot = new Map()));
    lot.delete(key); // the newest goes to the end
    lot.set(key, item);
    this.schedule();
  }

  private missed(e: MessageEvent<string>): void {
    this.note(e);
    const { topics: left = [] } = JSON.parse(e.data) as { topics?: Topic[] };
    for (const topic of left.length > 0 ? left : topics) this.resets.add(topic);
    this.schedule();
  }

  private note(e: MessageEvent): void {
    if (e.lastEventId) this.lastId = e.lastEventId;
    this.lastEvent = new Date();
  }

  /** Has everything fetched anew: after an end somebody else may look, who may see other things. */
  private again(): void {
    for (const topic of topics) this.resets.add(topic);
    this.schedule();
  }

  private schedule(): void {
    this.flushTimer ??= setTimeout(() => this.flush(), pause);
  }

  private flush(): void {
    this.flushTimer = undefined;
    const items = new Map([...this.items].map(([topic, lot]) => [topic, [...lot.values()]] as const));
    const reset = new Set(this.resets);
    this.items.clear();
    this.resets.clear();
    for (const [listener, wanted] of this.listeners) {
      if (wanted.some((t) => items.has(t) || reset.has(t))) listener({ items, reset });
    }
  }
}
