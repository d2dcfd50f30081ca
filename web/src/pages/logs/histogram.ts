import type { Line } from './lines';

export interface Histogram {
  /** Milliseconds of Unix time at which the first bucket begins. */
  from: number;
  to: number;
  /** Milliseconds of one bucket. */
  step: number;
  /** Lines below warning, warnings, errors, by bucket. */
  buckets: { plain: number; warnings: number; errors: number }[];
}

const second = 1000;
const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800].map(
  (s) => s * second,
);

/** Lines over time by level, in at most so many buckets of a length that people count in. */
export function histogram(lines: readonly Line[], most = 120): Histogram | undefined {
  let first = Infinity;
  let last = -Infinity;
  for (const { ms } of lines) {
    if (ms < first) first = ms;
    if (ms > last) last = ms;
  }
  if (!Number.isFinite(first)) return undefined;
  // Beyond the lengths that there are: whole days.
  const step =
    steps.find((s) => Math.floor(last / s) - Math.floor(first / s) < most) ??
    Math.ceil((last - first) / most / 86_400_000) * 86_400_000;
  const from = Math.floor(first / step) * step;
  const count = Math.floor((last - from) / step) + 1;
  const buckets = Array.from({ length: count }, () => ({ plain: 0, warnings: 0, errors: 0 }));
  for (const { ms, rank } of lines) {
    const bucket = buckets[Math.floor((ms - from) / step)];
    if (!bucket) continue;
    if (rank === 3) bucket.errors++;
    else if (rank === 2) bucket.warnings++;
    else bucket.plain++;
  }
  return { from, to: from + count * step, step, buckets };
}
