import type { components } from '../../api/schema';
import { duration, num } from '../../lib/format';

export type Limit = components['schemas']['Limit'];

/** The limits of one section of the configuration. */
export interface Group {
  section: string;
  title: string;
  limits: Limit[];
}

const nbsp = '\u00a0';

/** A value as people write it: `64 MiB`, `1 min 30 s`, `70 %`. What `duration` would round stands as in the file. */
export function valueText(limit: Limit, none: string): string {
  const n = limit.number;
  if (limit.value === 'none') return none;
  if (limit.unit === 'bytes') return limit.value.replace(' ', nbsp);
  if (limit.unit === 'percent') return num(n) + nbsp + '%';
  if (limit.unit === 'number') return num(n);
  if (Number.isInteger(n) && n < 60) return n + nbsp + 's';
  const step = n >= 48 * 3600 ? 3600 : n >= 3600 ? 60 : n >= 10 ? 1 : n >= 1 ? 0.1 : 0.001;
  const steps = n / step;
  return Math.abs(steps - Math.round(steps)) < 1e-6 ? duration(n) : limit.value;
}

/** Those that have every word, in their order, by section. `more` gives what can be found beside key, value and meaning. */
export function groupsOf(
  limits: readonly Limit[],
  text: string,
  titles: Readonly<Record<string, string>>,
  more: (limit: Limit) => string,
): Group[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const groups: Group[] = [];
  for (const limit of limits) {
    const section = limit.key.slice(0, limit.key.indexOf('.'));
    const title = titles[section] ?? section;
    const hay = [limit.key, limit.value, limit.doc, title, more(limit)].join('\n').toLowerCase();
    if (!words.every((w) => hay.includes(w))) continue;
    const group = groups.find((g) => g.section === section);
    if (group) group.limits.push(limit);
    else groups.push({ section, title, limits: [limit] });
  }
  return groups;
}
