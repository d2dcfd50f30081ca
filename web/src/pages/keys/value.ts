import type { KeyBytes, KeyMember, KeyPut, KeyValue } from '../../api/types';
import { indent } from '../../lib/json';

/** The bytes of a string, a member or a field. */
export function bytesOf(b: KeyBytes): Uint8Array {
  if (b.base64 !== undefined) return Uint8Array.from(atob(b.base64), (c) => c.charCodeAt(0));
  return new TextEncoder().encode(b.text ?? '');
}

/** As text, bytes that are none as `\x00`. */
export function textOf(b: KeyBytes | undefined): string {
  if (!b) return '';
  if (b.text !== undefined) return b.text;
  return [...bytesOf(b)].map((c) => (c >= 32 && c < 127 ? String.fromCharCode(c) : '\\x' + two(c))).join('');
}

/** Whether there is more of it than what the answer has. */
export const cut = (b: KeyBytes | undefined): boolean =>
  b !== undefined && b.bytes !== undefined && b.bytes > bytesOf(b).length;

const two = (n: number) => n.toString(16).toUpperCase().padStart(2, '0');

/** Lines of eight bytes: place, bytes, and what of them is text. */
export function hexLines(bytes: Uint8Array, from = 0): string {
  const out: string[] = [];
  for (let i = 0; i < bytes.length; i += 8) {
    const line = [...bytes.subarray(i, i + 8)];
    const hex = line.map(two).join(' ').padEnd(23);
    const text = line.map((c) => (c >= 32 && c < 127 ? String.fromCharCode(c) : '.')).join('');
    out.push(`${(from + i).toString(16).toUpperCase().padStart(6, '0')}  ${hex}  ${text}`);
  }
  return out.join('\n');
}

/** Indented, if it is JSON of more than one value. */
export function pretty(text: string): string | undefined {
  const first = text.trimStart()[0];
  if (first !== '{' && first !== '[') return undefined;
  try {
    JSON.parse(text);
    return indent(text);
  } catch {
    return undefined;
  }
}

/**
 * A whole value as it is edited: a string as it is, a list or set as JSON array, a hash as object, a sorted set as object of
 * scores. undefined where the value is not here as a whole, is no text, or is a stream.
 */
export function editable(value: KeyValue, members: readonly KeyMember[], whole: boolean): string | undefined {
  const part = (b: KeyBytes | undefined) => b === undefined || b.text === undefined || cut(b);
  if (!whole) return undefined;
  if (value.type === 'string') return value.value && !part(value.value) ? value.value.text : undefined;
  if (value.type === 'stream' || members.length > most) return undefined;
  if (members.some((m) => part(m.value) && value.type !== 'hash')) return undefined;
  if (value.type === 'hash' && members.some((m) => part(m.field) || part(m.value))) return undefined;
  if (value.type === 'list' || value.type === 'set') return json(members.map((m) => m.value?.text));
  if (value.type === 'zset') return json(Object.fromEntries(members.map((m) => [m.value?.text, score(m.score)])));
  return json(Object.fromEntries(members.map((m) => [m.field?.text, m.value?.text])));
}

/** Whether two whole values as they are edited are the same; only a list has an order. */
export function same(type: KeyValue['type'], a: string | undefined, b: string | undefined): boolean {
  if (type === 'string' || type === 'list') return a === b;
  const sorted = (text = '') => text.split(/,?\n/).sort().join('\n');
  return sorted(a) === sorted(b);
}

const most = 1000; // members of one PUT
const json = (v: unknown) => JSON.stringify(v, null, 2);
const score = (s: string | undefined) => (s !== undefined && Number.isFinite(Number(s)) ? Number(s) : s);

export type Wrong = 'json' | 'array' | 'object' | 'text' | 'score' | 'empty' | 'many';

/** What was edited, as a PUT has it, or what is wrong with it. */
export function putOf(type: KeyValue['type'], text: string): KeyPut | Wrong {
  if (type === 'string') return { type, value: { text } };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return 'json';
  }
  if (type === 'list' || type === 'set') {
    if (!Array.isArray(parsed)) return 'array';
    if (parsed.some((v) => typeof v !== 'string')) return 'text';
    return membersPut(
      type,
      parsed.map((v) => ({ value: { text: v as string } })),
    );
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 'object';
  const entries = Object.entries(parsed as Record<string, unknown>);
  if (type === 'zset') {
    if (entries.some(([, v]) => !isScore(v))) return 'score';
    return membersPut(
      type,
      entries.map(([k, v]) => ({ value: { text: k }, score: String(v) })),
    );
  }
  if (entries.some(([, v]) => typeof v !== 'string')) return 'text';
  return membersPut(
    type,
    entries.map(([k, v]) => ({ field: { text: k }, value: { text: v as string } })),
  );
}

const isScore = (v: unknown) => typeof v === 'number' || (typeof v === 'string' && /^[+-]?inf$/.test(v));

function membersPut(type: KeyValue['type'], members: KeyMember[]): KeyPut | Wrong {
  if (members.length === 0) return 'empty';
  return members.length > most ? 'many' : { type, members };
}

/** Seconds, or a number with s, min, h, d; null for never (an empty text); undefined if it is no time. */
export function parseTtl(text: string): number | null | undefined {
  if (text.trim() === '') return null;
  const m = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?\s*$/i.exec(text);
  if (!m) return undefined;
  const unit =
    { ms: 1, s: 1000, min: 60_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[m[2]?.toLowerCase() ?? 's'] ?? 1000;
  const ms = Math.round(Number(m[1]) * unit);
  return ms > 0 ? ms : undefined;
}
