import type { LogLine } from '../../api/types';

export const levels = ['debug', 'info', 'warning', 'error'] as const;
export type Level = (typeof levels)[number];

/** The appliance's loggers (docs/log.md); a line may come from one below them, such as queue.local. */
export const loggers = ['api', 'decoder', 'queue', 'plugin', 'kv', 'database', 'app', 'audit', 'performance'] as const;

/** A line of the log, or what happened to the stream between two of them. */
export interface Line extends LogLine {
  /** Milliseconds of Unix time. */
  ms: number;
  rank: number;
  /** Lines are missing before it, or the appliance was started anew. */
  cut?: 'gap' | 'restart';
}

export const rankOf = (level: string): number => Math.max(0, levels.indexOf(level as Level));

export function lineOf(line: LogLine): Line {
  return { ...line, ms: Date.parse(line.timestamp), rank: rankOf(line.level) };
}

/** Where a line stands in its run: `9ae1465749-12` is the twelfth of the run 9ae1465749. */
export function placeOf(id: string): { run: string; n: number } {
  const at = id.lastIndexOf('-');
  return { run: id.slice(0, at), n: Number(id.slice(at + 1)) };
}

/** Name and value of all that a line has besides time, level, logger and message. */
export function fieldsOf(line: LogLine): [string, string][] {
  const out: [string, string][] = Object.entries(line.fields).map(([k, v]) => [k, valueText(v)]);
  out.sort(([a], [b]) => place(a) - place(b));
  if (line.request_id) out.push(['request_id', line.request_id]);
  if (line.correlation_id && line.correlation_id !== line.request_id) out.push(['correlation_id', line.correlation_id]);
  return out;
}

// What says most stands where a line is cut off last.
const early = ['error', 'code', 'reason', 'method', 'path', 'status', 'duration', 'job', 'type', 'plugin', 'text'];
const place = (name: string) => (early.includes(name) ? early.indexOf(name) : early.length);

export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** As `key=value`, in quotes where it has a space. */
export function short(value: string): string {
  return /[\s"]/.test(value) || value === '' ? JSON.stringify(value) : value;
}

const hays = new WeakMap<LogLine, string>();

/** All of a line in small letters, for searching; made once, and only for lines that are searched. */
export function hayOf(line: LogLine): string {
  let hay = hays.get(line);
  if (hay === undefined) {
    hay = [line.message, line.logger, line.level, ...fieldsOf(line).map(([k, v]) => `${k}=${v}`)]
      .join('\n')
      .toLowerCase();
    hays.set(line, hay);
  }
  return hay;
}
