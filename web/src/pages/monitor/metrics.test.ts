import { expect, test } from 'vitest';
import { labelText, parseMetrics, quantile, totalOf, unitOf } from './metrics';
import { Samples } from './samples.svelte';
import { figure, metricText } from './values';

const text = `# HELP a_total What\\nit is.
# TYPE a_total counter
a_total{q="x",p="a\\"b\\\\c}"} 3
a_total{q="y"} 1.5e3 1700000000
# TYPE empty gauge
# HELP t_seconds Times.
# TYPE t_seconds histogram
t_seconds_bucket{m="GET",le="0.1"} 6
t_seconds_bucket{m="GET",le="1"} 10
t_seconds_bucket{m="GET",le="+Inf"} 10
t_seconds_sum{m="GET"} 2.5
t_seconds_count{m="GET"} 10
nonsense line here
g -Inf
`;

test('families, labels with quotes, times, broken lines', () => {
  const m = parseMetrics(text);
  expect([...m.keys()]).toEqual(['a_total', 't_seconds', 'g']);
  const a = m.get('a_total')!;
  expect(a.help).toBe('What\nit is.');
  expect(a.series).toEqual([
    { labels: { q: 'x', p: 'a"b\\c}' }, value: 3 },
    { labels: { q: 'y' }, value: 1500 },
  ]);
  expect(totalOf(a)).toBe(1503);
  expect(m.get('g')!.series[0]!.value).toBe(-Infinity);
});

test('a histogram is one series by labels', () => {
  const t = parseMetrics(text).get('t_seconds')!;
  expect(t.series).toEqual([]);
  expect(t.totals).toHaveLength(1);
  expect(t.totals[0]).toMatchObject({ labels: { m: 'GET' }, value: 10, sum: 2.5 });
  expect(labelText(t.totals[0]!.labels)).toBe('m="GET"');
  expect(quantile(t.totals[0]!.buckets, 0.5)).toBeCloseTo(0.0833, 3);
  expect(quantile(t.totals[0]!.buckets, 0.95)).toBeCloseTo(0.8875, 3);
  expect(quantile([{ le: Infinity, count: 0 }], 0.95)).toBeUndefined();
});

test.each([
  ['x_bytes', 'B'],
  ['x_bytes_total', 'B'],
  ['x_seconds_total', 's'],
  ['system_cpu_percent', '%'],
  ['jobs_total', ''],
])('%s counts in %s', (name, unit) => expect(unitOf(name)).toBe(unit));

test('rates are of two looks, and a counter that began anew has none', () => {
  const s = new Samples();
  const at = (n: number) => parseMetrics(`# TYPE atp_api_requests_total counter\natp_api_requests_total ${n}\n`);
  s.note(at(10), 0);
  expect(s.rates.size).toBe(0);
  s.note(at(30), 10_000);
  expect(s.rates.get('atp_api_requests_total')).toBe(2);
  s.note(at(5), 20_000);
  expect(s.rates.has('atp_api_requests_total')).toBe(false);
});

test('figures have their unit', () => {
  expect(figure(70, '%')).toBe('70\u00a0%');
  expect(figure(900, 's')).toBe('15\u00a0min');
  expect(figure(null, 's')).toBe('–');
  expect(metricText(0.25, '')).toBe('0.2500');
  expect(metricText(1e6, 'B')).toBe('1.0\u00a0MB');
});
