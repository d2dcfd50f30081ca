// Metrics as Prometheus reads them: https://prometheus.io/docs/instrumenting/exposition_formats/

export interface Series {
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  help: string;
  type: string;
  series: Series[];
  /** Of a histogram or summary, by labels: how many and their sum. */
  totals: (Series & { sum: number; buckets: { le: number; count: number }[] })[];
}

export type Metrics = Map<string, Family>;

/** Reads the text format; a line that cannot be read is left out. */
export function parseMetrics(text: string): Metrics {
  const out: Metrics = new Map();
  const family = (name: string): Family => {
    let f = out.get(name);
    if (!f) out.set(name, (f = { name, help: '', type: 'untyped', series: [], totals: [] }));
    return f;
  };
  for (const line of text.split('\n')) {
    if (line.startsWith('# HELP ')) {
      const [name, help] = halves(line.slice(7));
      family(name).help = help.replaceAll('\\n', '\n').replaceAll('\\\\', '\\');
    } else if (line.startsWith('# TYPE ')) {
      const [name, type] = halves(line.slice(7));
      family(name).type = type.trim();
    } else if (line !== '' && !line.startsWith('#')) sample(line, out, family);
  }
  for (const [name, f] of out) if (f.series.length === 0 && f.totals.length === 0) out.delete(name);
  return out;
}

const halves = (s: string): [string, string] => {
  const at = s.indexOf(' ');
  return at < 0 ? [s, ''] : [s.slice(0, at), s.slice(at + 1)];
};

const form = /^([a-zA-Z_:][\w:]*)(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?\s+(\S+)/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

function sample(line: string, all: Metrics, family: (name: string) => Family): void {
  const m = form.exec(line);
  if (!m || m[1] === undefined) return;
  const value = number(m[3] ?? '');
  if (value === undefined) return;
  const labels: Record<string, string> = {};
  for (const [, name = '', text = ''] of (m[2] ?? '').matchAll(label)) {
    labels[name] = text.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  }
  const part = /^(.+)_(bucket|sum|count)$/.exec(m[1]);
  const whole = part?.[1] === undefined ? undefined : all.get(part[1]);
  if (!part || !whole || (whole.type !== 'histogram' && whole.type !== 'summary')) {
    const f = all.get(m[1]) ?? family(m[1]);
    if (f.type === 'summary')
      delete labels['quantile']; // the sum and the count tell enough
    else f.series.push({ labels, value });
    return;
  }
  const le = labels['le'];
  delete labels['le'];
  const key = labelText(labels);
  let total = whole.totals.find((t) => labelText(t.labels) === key);
  if (!total) whole.totals.push((total = { labels, value: 0, sum: 0, buckets: [] }));
  if (part[2] === 'sum') total.sum = value;
  else if (part[2] === 'count') total.value = value;
  else total.buckets.push({ le: number(le ?? '') ?? Infinity, count: value });
}

function number(text: string): number | undefined {
  if (/^[+-]?inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  const n = Number(text);
  return Number.isNaN(n) && text !== 'NaN' ? undefined : n;
}

/** `queue="decode" state="ready"` */
export const labelText = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([k, v]) => `${k}=${JSON.stringify(v)}`)
    .join(' ');

/** What a metric counts in, as its name says. */
export function unitOf(name: string): '' | 'B' | 's' | '%' {
  if (/_bytes(_total)?$/.test(name)) return 'B';
  if (/_seconds(_total)?$/.test(name)) return 's';
  return /_(percent|hit_rate)$|^cache_hit_rate$/.test(name) ? '%' : '';
}

/** The sum over all series: events of a histogram, else values. */
export function totalOf(f: Family | undefined): number | undefined {
  if (!f) return undefined;
  const of = f.totals.length > 0 ? f.totals : f.series;
  return of.reduce((n, s) => n + s.value, 0);
}

/** The value below which so large a share of a histogram lies: the upper end of the bucket, in between by proportion. */
export function quantile(buckets: readonly { le: number; count: number }[], share: number): number | undefined {
  const sorted = [...buckets].sort((a, b) => a.le - b.le);
  const all = sorted.at(-1)?.count ?? 0;
  if (all <= 0) return undefined;
  let below = { le: 0, count: 0 };
  for (const b of sorted) {
    if (b.count >= share * all) {
      if (!Number.isFinite(b.le)) return below.le;
      const within = b.count - below.count;
      return below.le + (within > 0 ? ((share * all - below.count) / within) * (b.le - below.le) : 0);
    }
    below = b;
  }
  return below.le;
}
