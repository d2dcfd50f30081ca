// What somebody has to look at, the oldest first. Normal things are not in it.

import type { Alert, Decode, Job, Plugin, Queue } from '../../api/types';
import type { StateName } from '../../ui/State.svelte';

export type Need =
  | { kind: 'dead'; queue: string; n: number; error: string; since: string | null }
  | { kind: 'plugin'; name: string; reason: string; id: string }
  | { kind: 'decode'; decode: Decode; name: string; message: string; since: string | null }
  | { kind: 'alert'; alert: Alert; since: string | null }
  | { kind: 'health'; part: string; detail: string; bad: boolean; since: string | null };

export interface Facts {
  queues: readonly Queue[];
  /** Dead jobs, the newest first. */
  dead: readonly Job[];
  plugins: readonly Plugin[];
  decodes: readonly Decode[];
  names: ReadonlyMap<string, string>;
  alerts: readonly Alert[];
  health: readonly { name: string; status: string; detail: string; since: string | null }[];
  /** Milliseconds: decodes that ended before it are history. */
  after: number;
}

export function needs(f: Facts): Need[] {
  const list: Need[] = [];
  for (const q of f.queues) {
    const n = q.counts['dead'] ?? 0;
    if (n === 0) continue;
    const jobs = f.dead.filter((j) => j.queue === q.name);
    const oldest = jobs.at(-1);
    const error = jobs[0]?.errors?.at(-1)?.message ?? '';
    list.push({ kind: 'dead', queue: q.name, n, error, since: oldest?.finished_at ?? null });
  }
  for (const p of f.plugins) {
    const bad = p.state === 'rejected' ? p : p.others.find((o) => o.state === 'rejected');
    if (bad) list.push({ kind: 'plugin', id: p.id, name: `${p.name} ${bad.version}`, reason: bad.reason ?? '' });
  }
  const seen = new Set<string>();
  for (const d of f.decodes) {
    if (seen.has(d.file_id)) continue; // an older decode of a file does not matter any more
    seen.add(d.file_id);
    if (d.status !== 'partial' && d.status !== 'failed') continue;
    if (new Date(d.finished_at ?? 0).getTime() < f.after) continue;
    list.push({
      kind: 'decode',
      decode: d,
      name: f.names.get(d.file_id) ?? d.file_id,
      message: d.error?.message ?? '',
      since: d.finished_at,
    });
  }
  for (const a of f.alerts) {
    if (a.state === 'firing' && !a.silenced) list.push({ kind: 'alert', alert: a, since: a.started_at });
  }
  for (const h of f.health) {
    if (h.status !== 'healthy')
      list.push({ kind: 'health', part: h.name, detail: h.detail, bad: h.status === 'unhealthy', since: h.since });
  }
  return list.sort((a, b) => time(a) - time(b));
}

const time = (n: Need) => ('since' in n && n.since ? new Date(n.since).getTime() : Number.MAX_SAFE_INTEGER);

export function lookOf(n: Need): StateName {
  switch (n.kind) {
    case 'dead':
      return 'dead';
    case 'plugin':
      return 'partial';
    case 'decode':
      return n.decode.status === 'failed' && n.decode.error?.code !== 'unknown_format' ? 'failed' : 'partial';
    case 'alert':
      return n.alert.level === 'critical' ? 'error' : 'warning';
    case 'health':
      return n.bad ? 'error' : 'warning';
  }
}
