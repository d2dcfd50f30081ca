import type { components } from '../../api/schema';

export interface Spark {
  values: (number | null)[];
  last: number | null;
  most: number | undefined;
  mostAt: Date | undefined;
}

/** A figure's line over the answer's time, with its largest value and when that was. */
export function sparkOf(
  list: components['schemas']['ReadingList'] | undefined,
  kind: string,
  subject: string | null = null,
): Spark | undefined {
  const line = list?.series.find((s) => s.kind === kind && s.subject === subject);
  if (!list || !line) return undefined;
  const values = (line.mean as (number | null)[]).map((v) => (typeof v === 'number' ? v : null));
  const max = line.max as (number | null)[];
  let best = -1;
  for (const [i, v] of max.entries()) if (typeof v === 'number' && (best < 0 || v > (max[best] ?? -Infinity))) best = i;
  const from = list.from ? Date.parse(list.from) : NaN;
  const most = best >= 0 ? (max[best] ?? undefined) : undefined;
  return {
    values,
    last: values.findLast((v) => v !== null) ?? null,
    most,
    mostAt:
      most !== undefined && most > 0 && !Number.isNaN(from)
        ? new Date(from + (best + 0.5) * list.step * 1000)
        : undefined,
  };
}
