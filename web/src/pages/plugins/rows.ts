import type { Plugin } from '../../api/types';
import type { ModuleState } from './checks';

/** A module in the list: the one that serves an id, or another one of the same id. */
export interface Row {
  /** `rail`, or `rail@a53529c21b21` for another module of the id. */
  key: string;
  plugin: Plugin;
  other: boolean;
  state: ModuleState;
  version: string | null;
  sha256: string;
  file: string;
  source: Plugin['source'];
  signature: Plugin['signature'];
  reason: string | null;
  checks: Plugin['checks'];
}

export function rowsOf(plugins: readonly Plugin[]): Row[] {
  return plugins.flatMap((plugin) => [
    row(plugin, plugin, plugin.id, false),
    ...plugin.others.map((o) => row(plugin, o, `${plugin.id}@${o.sha256.slice(0, 12)}`, true)),
  ]);
}

type Module = Pick<Plugin, 'state' | 'version' | 'sha256' | 'file' | 'source' | 'signature' | 'reason' | 'checks'>;

function row(
  plugin: Plugin,
  m: Omit<Module, 'version'> & { version: string | null },
  key: string,
  other: boolean,
): Row {
  return {
    key,
    plugin,
    other,
    state: m.state,
    version: m.version || null,
    sha256: m.sha256,
    file: m.file,
    source: m.source,
    signature: m.signature,
    reason: m.reason,
    checks: m.checks,
  };
}

const order: readonly ModuleState[] = ['rejected', 'compiling', 'active', 'standby', 'disabled'];

/** What needs somebody first, then by id. */
export function arranged(rows: readonly Row[]): Row[] {
  const rank = (r: Row) => order.indexOf(r.state);
  return [...rows].sort(
    (a, b) =>
      rank(a) - rank(b) || a.plugin.id.localeCompare(b.plugin.id) || (b.version ?? '').localeCompare(a.version ?? ''),
  );
}

/** Whether every word of the text is somewhere in what the list shows of the module. */
export function matches(row: Row, text: string, words: readonly string[]): boolean {
  const p = row.plugin;
  const hay = [
    p.id,
    p.name,
    row.version ?? '',
    row.file,
    row.reason ?? '',
    ...words,
    ...(row.other ? [] : p.formats.flatMap((f) => [f.id, f.name, ...f.extensions])),
  ]
    .join('\n')
    .toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => hay.includes(word));
}

/** The name of a row for people: `rail 0.2.0`. */
export const nameOf = (row: Row): string => (row.version ? `${row.plugin.id} ${row.version}` : row.plugin.id);

type Tables = Plugin['tables'];

/** A column that is not as in the version that runs: what of it, before and now. */
export interface ColumnChange {
  name: string;
  kind: 'added' | 'removed' | 'type' | 'unit';
  was: string;
  now: string;
}

export interface TableChange {
  name: string;
  columns: number | null;
  was: number | null;
  description: string;
  changes: ColumnChange[];
}

/** The tables of a module beside those of the one that runs; those that it would not write any more come last. */
export function compareTables(now: Tables, running: Tables): TableChange[] {
  const before = new Map(running.map((t) => [t.name, t]));
  const names = new Set(now.map((t) => t.name));
  return [
    ...now.map((t) => {
      const was = before.get(t.name);
      return {
        name: t.name,
        columns: t.columns,
        was: was?.columns ?? null,
        description: t.description,
        changes: was ? compareColumns(t.fields ?? [], was.fields ?? []) : [],
      };
    }),
    ...running
      .filter((t) => !names.has(t.name))
      .map((t) => ({ name: t.name, columns: null, was: t.columns, description: t.description, changes: [] })),
  ];
}

type Fields = NonNullable<Tables[number]['fields']>;

function compareColumns(now: Fields, running: Fields): ColumnChange[] {
  const before = new Map(running.map((c) => [c.name, c]));
  const names = new Set(now.map((c) => c.name));
  return [
    ...now.flatMap((c): ColumnChange[] => {
      const was = before.get(c.name);
      if (!was) return [{ name: c.name, kind: 'added', was: '', now: c.type }];
      return (['type', 'unit'] as const)
        .filter((kind) => was[kind] !== c[kind])
        .map((kind) => ({ name: c.name, kind, was: was[kind], now: c[kind] }));
    }),
    ...running
      .filter((c) => !names.has(c.name))
      .map((c): ColumnChange => ({ name: c.name, kind: 'removed', was: c.type, now: '' })),
  ];
}
