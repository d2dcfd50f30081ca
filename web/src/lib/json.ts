// JSON as text. The browser's own numbers end at 2^53: what is read and written again would not be what was there.

const token = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

/** Indented as JSON.stringify does, with numbers as they were written. */
export function indent(text: string): string {
  let out = '';
  let depth = 0;
  let before = '';
  for (const [t] of text.matchAll(token)) {
    const closes = t === '}' || t === ']';
    if (closes) depth--;
    const opened = before === '{' || before === '[';
    if (before === ',' || opened !== closes) out += '\n' + '  '.repeat(depth);
    out += t === ':' ? ': ' : t.startsWith('"') ? JSON.stringify(JSON.parse(t)) : t;
    if (t === '{' || t === '[') depth++;
    before = t;
  }
  return out;
}

/** What stands at a path in JSON, as it is written there; null where there is nothing. */
export function written(text: string, ...path: (string | number)[]): string {
  const at: (string | number)[] = []; // where the next value stands
  const here = () => at.length === path.length && at.every((part, i) => part === path[i]);
  let from = -1;
  let naming = false;
  for (const m of text.matchAll(token)) {
    const t = m[0];
    const last = at.length - 1;
    if (t === ':') continue;
    if (t === ',') {
      const part = at[last];
      if (typeof part === 'number') at[last] = part + 1;
      else naming = true;
      continue;
    }
    const closes = t === '}' || t === ']';
    if (closes) at.pop();
    else if (naming) {
      naming = false;
      at[last] = JSON.parse(t) as string;
      continue;
    } else if (from < 0 && here()) from = m.index;
    naming = t === '{';
    if (t === '{') at.push('');
    else if (t === '[') at.push(0);
    else if (from >= 0 && here()) return text.slice(from, m.index + t.length);
  }
  return 'null';
}

/** An object as JSON, with one more member that is JSON already; what it was indented with is left out. */
export function withRaw(object: object, name: string, raw: string): string {
  const open = JSON.stringify(object).slice(0, -1);
  return `${open}${open === '{' ? '' : ','}${JSON.stringify(name)}:${raw.match(token)?.join('')}}`;
}

/** Why a text is no JSON; '' if it is. */
export function notJson(text: string): string {
  try {
    JSON.parse(text);
    return '';
  } catch (e) {
    return (e as Error).message;
  }
}
