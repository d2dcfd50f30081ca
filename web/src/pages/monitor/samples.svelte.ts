import { problemFrom } from '../../api/client';
import { Resource } from '../../lib/resource.svelte';
import { bucketsSince, parseMetrics, quantile, totalOf, type Metrics } from './metrics';

export const readings = ['cpu', 'memory', 'disk', 'requests', 'answer', 'commands'] as const;
export type Reading = (typeof readings)[number];

const every = 10_000; // ms
const kept = 360; // an hour of looks

/** What /metrics says, looked at every ten seconds, and the readings since the page was opened. */
export class Samples {
  readonly now = new Resource<Metrics>();
  /** The newest last; null where there was none. */
  history: Record<Reading, (number | null)[]> = $state.raw(empty());
  /** By how much counters grew a second between the last two looks. */
  rates: Map<string, number> = $state.raw(new Map());

  private before: { at: number; metrics: Metrics } | undefined;

  start(): () => void {
    void this.look();
    const timer = setInterval(() => void this.look(), every);
    return () => {
      clearInterval(timer);
      this.now.stop();
    };
  }

  async look(): Promise<void> {
    await this.now.load(async (signal) => {
      const answer = await fetch('/metrics', { signal, headers: { Accept: 'text/plain' } });
      if (!answer.ok) throw await problemFrom(answer);
      return parseMetrics(await answer.text());
    });
    if (this.now.data && !this.now.error) this.note(this.now.data, Date.now());
  }

  /** Takes a look in. */
  note(metrics: Metrics, at: number): void {
    const seconds = this.before ? (at - this.before.at) / 1000 : 0;
    const rates = new Map<string, number>();
    if (this.before && seconds > 0) {
      for (const [name, f] of metrics) {
        const was = totalOf(this.before.metrics.get(name));
        const is = totalOf(f);
        // A counter that shrank began anew with the appliance.
        if (was !== undefined && is !== undefined && is >= was && f.type !== 'gauge')
          rates.set(name, (is - was) / seconds);
      }
    }
    const answer = this.before
      ? quantile(bucketsSince(metrics.get(requestTime), this.before.metrics.get(requestTime)), 0.95)
      : undefined;
    const value = (name: string) => totalOf(metrics.get(name)) ?? null;
    const free = value('wayside_disk_free_bytes');
    const total = value('wayside_disk_total_bytes');
    const next: Record<Reading, number | null> = {
      cpu: value('system_cpu_percent'),
      memory: value('system_memory_percent'),
      disk: free !== null && total ? 100 * (1 - free / total) : null,
      requests: rates.get('atp_api_requests_total') ?? null,
      answer: answer ?? null,
      commands: value('wayside_kv_commands_per_second'),
    };
    const history = { ...this.history };
    for (const r of readings) history[r] = [...history[r], next[r]].slice(-kept);
    this.history = history;
    this.rates = rates;
    this.before = { at, metrics };
  }
}

const requestTime = 'atp_api_request_duration_seconds';

function empty(): Record<Reading, (number | null)[]> {
  return { cpu: [], memory: [], disk: [], requests: [], answer: [], commands: [] };
}
