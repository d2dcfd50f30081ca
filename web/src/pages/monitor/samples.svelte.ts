import { problemFrom } from '../../api/client';
import { Resource } from '../../lib/resource.svelte';
import { parseMetrics, totalOf, type Metrics } from './metrics';

const every = 10_000; // ms

/** What /metrics says, looked at every ten seconds. */
export class Samples {
  readonly now = new Resource<Metrics>();
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
    this.rates = rates;
    this.before = { at, metrics };
  }
}
