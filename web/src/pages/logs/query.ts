import { fieldsOf, hayOf, levels, rankOf, type Level, type Line } from './lines';

/** A word that a line has to have, or a field with a value. */
export interface Term {
  field: string;
  value: string;
  not: boolean;
}

export interface Query {
  level: Level | undefined;
  logger: string | undefined;
  terms: Term[];
  /** A word after `level:` that is no level. */
  wrong: string | undefined;
}

const word = /(-?)(?:([a-z][a-z0-9_.]*):)?(?:"([^"]*)"?|(\S+))/gi;

/**
 * Reads a filter: words, "several words", `level:warning`, `logger:queue`, `request_id:7f3a`, any other field and its value; a
 * minus before one of them leaves out what matches.
 */
export function parseQuery(text: string): Query {
  const query: Query = { level: undefined, logger: undefined, terms: [], wrong: undefined };
  for (const [whole, minus, name, quoted, plain] of text.matchAll(word)) {
    const value = quoted ?? plain ?? '';
    if (value === '') continue;
    const field = name?.toLowerCase() ?? '';
    if (field === 'level') {
      const level = levels.find((l) => l.startsWith(value.toLowerCase()));
      if (level) query.level = level;
      else query.wrong = value;
    } else if (field === 'logger' && !minus) query.logger = value.toLowerCase();
    // An address or a time is no field: http://…, 12:30.
    else if (field && value.startsWith('//')) query.terms.push({ field: '', value: whole.toLowerCase(), not: false });
    else query.terms.push({ field, value: value.toLowerCase(), not: minus === '-' });
  }
  return query;
}

/** Takes `level:` and `logger:` out of a filter that is complete, since they have controls of their own. */
export function splitQuery(text: string): { q: string; level: Level | undefined; logger: string | undefined } {
  const { level, logger, wrong } = parseQuery(text);
  const q = wrong ? text : text.replace(/(^|\s)(level|logger):("[^"]*"?|\S+)/gi, ' ').trim();
  return wrong ? { q, level: undefined, logger: undefined } : { q, level, logger };
}

const same: Record<string, readonly string[]> = {
  job_id: ['job_id', 'job'],
  job: ['job', 'job_id'],
  file_id: ['file_id', 'file'],
};

export function matcher(query: Query): (line: Line) => boolean {
  const rank = query.level ? rankOf(query.level) : 0;
  const { logger, terms } = query;
  return (line) =>
    line.rank >= rank &&
    (!logger || line.logger === logger || line.logger.startsWith(logger + '.')) &&
    terms.every((t) => has(line, t) !== t.not);
}

function has(line: Line, term: Term): boolean {
  if (!term.field) return hayOf(line).includes(term.value);
  if (term.field === 'logger') return line.logger === term.value || line.logger.startsWith(term.value + '.');
  if (term.field === 'message') return line.message.toLowerCase().includes(term.value);
  if (term.field === 'request_id' || term.field === 'correlation_id') {
    return line[term.field]?.toLowerCase().startsWith(term.value) ?? false;
  }
  const names = same[term.field] ?? [term.field];
  return fieldsOf(line).some(([name, value]) => names.includes(name) && value.toLowerCase().includes(term.value));
}
