import { data, type Api } from '../api/client';
import type { Live } from '../api/live.svelte';
import type { Session } from '../lib/session.svelte';
import type { SystemInfo } from '../api/types';

export interface Count {
  n: number;
  tone: '' | 'bad' | 'care';
  dead?: boolean;
}

/** The figures beside the entries of the navigation, and what the frame shows of the system. They follow events. */
export class Counts {
  system: SystemInfo | undefined = $state.raw();
  private counts: Record<string, Count> = $state.raw({});

  constructor(
    private api: Api,
    private live: Live,
    private session: Session,
  ) {}

  of(page: string): Count | undefined {
    return this.counts[page];
  }

  /** Keeps them up to date until the result is called. */
  follow(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let due = false;
    const refresh = () => {
      due = false;
      timer = setTimeout(() => {
        timer = undefined;
        if (due) refresh();
      }, 5000);
      void this.load();
    };
    const off = this.live.on(['file', 'batch', 'queue', 'plugin', 'alert'], () => {
      due = true;
      if (!timer) refresh();
    });
    const minute = setInterval(() => void this.load(), 60_000);
    refresh();
    return () => {
      off();
      clearTimeout(timer);
      clearInterval(minute);
    };
  }

  private async load(): Promise<void> {
    if (!this.session.may('read')) return;
    const api = this.api;
    const one = { params: { query: { limit: 1 } } };
    const [system, queues, schedules, workers, plugins, flows, alerts] = await Promise.allSettled([
      data(api.GET('/system')),
      data(api.GET('/queues')),
      data(api.GET('/schedules', one)),
      data(api.GET('/workers')),
      data(api.GET('/plugins')),
      data(api.GET('/flows', one)),
      data(api.GET('/alerts', { params: { query: { state: 'firing', limit: 1000 } } })),
    ]);
    const next: Record<string, Count> = {};
    if (system.status === 'fulfilled') {
      this.system = system.value;
      const files = system.value.data.files;
      if (files) next['files'] = { n: files, tone: '' };
    }
    const total = (page: string, answer: PromiseSettledResult<{ total?: number | null }>) => {
      if (answer.status === 'fulfilled' && answer.value.total) next[page] = { n: answer.value.total, tone: '' };
    };
    total('schedules', schedules);
    total('flows', flows);
    if (alerts.status === 'fulfilled' && alerts.value.items.length > 0) {
      const critical = alerts.value.items.some((a) => a.level === 'critical' && !a.silenced);
      next['monitor'] = { n: alerts.value.items.length, tone: critical ? 'bad' : 'care' };
    }
    if (workers.status === 'fulfilled') next['workers'] = { n: workers.value.items.length, tone: '' };
    if (queues.status === 'fulfilled') {
      next['queues'] = { n: queues.value.items.length, tone: '' };
      const dead = queues.value.items.reduce((sum, q) => sum + (q.counts['dead'] ?? 0), 0);
      if (dead > 0) next['jobs'] = { n: dead, tone: 'bad', dead: true };
    }
    if (plugins.status === 'fulfilled') {
      const rejected = plugins.value.items.filter((p) => p.state === 'rejected').length;
      if (rejected > 0) next['plugins'] = { n: rejected, tone: 'care' };
    }
    this.counts = next;
  }
}
