import type { Reading, Rule } from '../../api/types';

/** The six that are shown, by the kind that the API calls them, and the rule that has their limit. */
export const kinds = ['cpu', 'memory', 'disk_used', 'latency', 'decoded', 'kv_commands'] as const;
export type Kind = (typeof kinds)[number];

export interface Figure {
  kind: Kind;
  /** The last that is known; null: none is. */
  now: number | null;
  /** The largest of each bucket, so that no peak is lost. */
  values: (number | null)[];
  /** Beyond which it needs somebody, in the unit of the values. */
  limit: number | null;
  /** Of how much it is a part. */
  whole: number | null;
}

export function figuresOf(series: readonly Reading[], rules: readonly Rule[]): Figure[] {
  const warning = (name: string) => rules.find((r) => r.name === name)?.warning ?? null;
  return kinds.map((kind) => {
    const s = series.find((x) => x.kind === kind && x.subject === null);
    const values = (s?.max ?? []).map(number);
    const now = (s?.mean ?? []).map(number).findLast((v) => v !== null) ?? null;
    const figure = { kind, now, values, limit: null, whole: null };
    if (kind === 'cpu') return { ...figure, limit: warning('cpu') };
    if (kind === 'latency') return { ...figure, limit: s?.limit ?? null };
    if (kind === 'memory') return { ...figure, whole: s?.limit ?? null };
    if (kind !== 'disk_used' || !s?.limit) return figure;
    const share = (v: number | null) => (v === null ? null : (100 * v) / (s.limit ?? 1));
    return { ...figure, now: share(now), values: values.map(share), limit: warning('disk'), whole: s.limit };
  });
}

const number = (v: unknown): number | null => (typeof v === 'number' ? v : null);
