// The lanes of a mission, over the way or over time.

import type { Text } from '../../i18n/en';
import type { Lane, LineSeries, Mark, Rule } from '../../ui/chart/types';
import { num } from '../../lib/format';
import { indexAt } from '../../ui/chart/scale';
import type { Level, Mission, Sample } from './data';

export type Over = 'distance' | 'time';

/** Samples in the order of x: over the way of a train that went back, those of the same place lie beside each other. */
export const inOrder = (m: Mission, over: Over): readonly Sample[] =>
  over === 'time' ? m.samples : [...m.samples].sort((a, b) => a.x - b.x || a.t - b.t);

export function speedSeries(samples: readonly Sample[], over: Over, label: string): LineSeries {
  return {
    key: 'speed',
    label,
    color: 1,
    xs: samples.map((s) => s[over === 'time' ? 't' : 'x']),
    ys: samples.map((s) => s.v),
  };
}

export function permittedSeries(m: Mission, over: Over, label: string): LineSeries {
  const list = over === 'time' ? m.permitted : [...m.permitted].sort((a, b) => a.x - b.x || a.t - b.t);
  return {
    key: 'permitted',
    label,
    color: 2,
    step: true,
    gaps: true,
    style: 'thin',
    xs: list.map((p) => (over === 'time' ? p.t : p.x)),
    ys: list.map((p) => p.v),
  };
}

/** A profile along the way as steps; over time, as the train came past. */
function stepsOf(levels: readonly Level[], m: Mission, over: Over): { xs: number[]; ys: (number | null)[] } {
  const xs: number[] = [];
  const ys: (number | null)[] = [];
  const put = (x: number, y: number | null) => {
    if (xs.length > 0 && x <= (xs.at(-1) ?? 0)) return;
    xs.push(x);
    ys.push(y);
  };
  if (over === 'distance') {
    for (const l of levels) put(l.x, l.value);
    const last = levels.at(-1);
    if (last) put(last.to, last.value);
    return { xs, ys };
  }
  const starts = levels.map((l) => l.x);
  let before: number | null | undefined;
  for (const s of m.samples) {
    const v = levels[indexAt(starts, s.x)]?.value ?? null;
    if (v !== before) put(s.t, v);
    before = v;
  }
  const end = m.samples.at(-1);
  if (end && before !== undefined) put(end.t, before);
  return { xs, ys };
}

/** Where the train stood and where it was braked, through all lanes. */
export function rulesOf(m: Mission, over: Over, t: Text['mission']): Rule[] {
  const key = over === 'time' ? 't' : 'x';
  return [
    ...m.stops.map((s): Rule => ({ x: s[key], tone: 'dim' })),
    ...m.eb.map((s): Rule => ({ x: s[key], tone: 'bad', text: t.ebShort })),
  ];
}

export function lanesOf(
  m: Mission,
  over: Over,
  t: Text['mission'],
  narrow: boolean,
  speed: LineSeries,
  permitted: LineSeries,
  highest: Sample | undefined,
): Lane[] {
  const key = over === 'time' ? 't' : 'x';
  const until = over === 'time' ? 'toT' : 'toX';
  const dwell = (s: number) => `${Math.floor(s / 60)}:${String(Math.round(s % 60)).padStart(2, '0')}`;
  const lineSpeed = stepsOf(m.lineSpeed, m, over);
  const gradient = stepsOf(m.gradient, m, over);
  const bars = gradient.xs.flatMap((x, i) => {
    const to = gradient.xs[i + 1];
    const value = gradient.ys[i];
    return to === undefined || value === null || value === undefined ? [] : [{ x, to, value }];
  });
  const brakes: Mark[] = [
    ...m.warnings.map((s): Mark => ({ x: s[key], to: s[until], tone: 'warn', title: t.warnings })),
    ...m.sb.map((s): Mark => ({ x: s[key], to: s[until], tone: 'badline', title: t.sb })),
    ...m.eb.map((s): Mark => ({ x: s[key], to: s[until], tone: 'bad', title: t.eb })),
  ].sort((a, b) => a.x - b.x);
  const lines: LineSeries[] = [];
  const lacks: string[] = [];
  if (lineSpeed.xs.length > 1)
    lines.push({ key: 'line', label: t.lineSpeed, color: 2, step: true, gaps: true, style: 'area', ...lineSpeed });
  else lacks.push(t.noLineSpeed);
  if (permitted.ys.some((v) => v !== null)) lines.push(permitted);
  else lacks.push(t.noPermitted);
  lines.push(speed);
  return [
    {
      type: 'marks',
      key: 'dwell',
      label: t.dwell,
      height: 20,
      marks: m.stops.map((s): Mark => ({
        x: s[key],
        to: over === 'time' ? s.toT : undefined,
        tone: 'dim',
        short: true,
        text: dwell(s.toT - s.t),
      })),
      empty: t.noStops,
    },
    {
      type: 'lines',
      key: 'speed',
      label: t.speed,
      unit: 'km/h',
      height: narrow ? 210 : 268,
      series: lines,
      over: { series: 'speed', limit: 'permitted' },
      zero: true,
      empty: t.noSpeed,
      lacks: lacks.join(' · ') || undefined,
      notes: highest?.v == null ? [] : [{ x: highest[key], y: highest.v, text: t.max(num(highest.v, 1)), color: 1 }],
    },
    { type: 'bars', key: 'gradient', label: t.gradient, unit: '‰', height: 48, bars, empty: t.noGradient },
    {
      type: 'marks',
      key: 'groups',
      label: t.groups,
      height: 40,
      marks: m.groups.map((g): Mark => ({
        x: g[key],
        tone: g.known ? 'ink' : 'dim',
        short: !g.known,
        text: g.known ? String(g.group) : undefined,
        title: `${g.country}/${g.group}`,
      })),
      empty: t.noGroups,
      lacks: m.groups.some((g) => g.known) ? undefined : t.unknownGroups(m.telegrams, num(m.telegrams)),
    },
    { type: 'marks', key: 'brake', label: t.brake, height: 18, marks: brakes, empty: t.noBrakes },
    {
      type: 'marks',
      key: 'messages',
      label: t.messages,
      height: 16,
      marks: m.events
        .filter((e) => e.kind === 'message')
        .map((e): Mark => ({ x: e[key], tone: 'dim', title: `${t.eventNames.message} ${e.text}` })),
      empty: t.noMessages,
    },
  ];
}
