// Cron expressions in words. Only forms that are understood as a whole are said; any other stays as it is written, for
// wrong words are worse than none.

import type { Text } from '../../i18n/en';

type Words = Text['schedules']['often'];

const named = new Map([
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
]);
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];

/** What an expression means, in a language and its words; the expression itself where there are none for it. */
export function inWords(cron: string, words: Words, language: string): string {
  const fields = (named.get(cron.trim()) ?? cron.trim().toUpperCase()).split(/\s+/);
  if (fields.length === 6 && whole(fields[0], 59) === 0) fields.shift();
  const [minute, hour, day, month, weekday] = fields;
  if (fields.length !== 5 || !minute || !hour || !day || !month || !weekday) return cron;
  const days = daysOf(day, month, weekday, words, language);
  const often = oftenOf(minute, hour, words);
  if (days === undefined) return cron;
  if (often) return days === '' ? often : words.within(often, days);
  const times = timesOf(minute, hour);
  return times ? words.at(days || words.daily, list(times, language)) : cron;
}

/** Every so many minutes or hours: those that fit into an hour or a day, so that the steps are equal. */
function oftenOf(minute: string, hour: string, words: Words): string | undefined {
  if (hour === '*') {
    const at = whole(minute, 59);
    if (at !== undefined) return words.hourly(at);
    const n = step(minute, 60);
    if (n === undefined) return undefined;
    return n === 1 ? words.everyMinute : words.minutes(n);
  }
  const at = whole(minute, 59);
  const n = step(hour, 24);
  return at !== undefined && n && n > 1 ? words.hours(n, clock(0, at)) : undefined;
}

/** `*` is 1; undefined where the steps do not come out even. */
function step(field: string, of: number): number | undefined {
  if (field === '*') return 1;
  const n = whole(/^\*\/(\d+)$/.exec(field)?.[1], of - 1);
  return n && of % n === 0 ? n : undefined;
}

/** Times of day, for certain hours and one minute. */
function timesOf(minute: string, hour: string): string[] | undefined {
  const at = whole(minute, 59);
  const hours = hour.split(',').map((h) => whole(h, 23));
  if (at === undefined) return undefined;
  const times = [];
  for (const h of new Set(hours)) {
    if (h === undefined) return undefined;
    times.push(clock(h, at));
  }
  return times.sort();
}

/** The days, '' for every day. A day of the month and one of the week together are either of them: that is not said. */
function daysOf(day: string, month: string, weekday: string, words: Words, language: string): string | undefined {
  const any = (field: string) => field === '*' || field === '?';
  if (!any(weekday)) {
    const week = any(day) && any(month) ? weekOf(weekday) : undefined;
    if (!week) return undefined;
    if (week.length === 7) return '';
    if (week.join() === '1,2,3,4,5') return words.weekdays;
    // 2023-01-01 was a Sunday.
    return words.days(
      list(
        week.map((d) => date(2023, 0, 1 + d, { weekday: 'long' }, language)),
        language,
      ),
    );
  }
  if (any(day)) return any(month) ? '' : undefined;
  if (any(month)) {
    if (day === 'L') return words.lastDay;
    const n = whole(day, 28); // not every month has the others
    return n ? words.monthly(n) : undefined;
  }
  const n = whole(day, 31);
  const m = months.includes(month) ? months.indexOf(month) : (whole(month, 12) ?? 0) - 1;
  if (!n || m < 0 || new Date(Date.UTC(2023, m, n)).getUTCMonth() !== m) return undefined;
  return words.yearly(date(2023, m, n, { day: 'numeric', month: 'long' }, language));
}

/** Days of the week, Sunday being 0. */
function weekOf(field: string): number[] | undefined {
  const week = new Set<number>();
  for (const part of field.split(',')) {
    const ends = part.split('-').map((d) => (weekdays.includes(d) ? weekdays.indexOf(d) : whole(d, 7)));
    const [first, last = first] = ends;
    if (first === undefined || last === undefined || ends.includes(undefined) || ends.length > 2 || first > last)
      return undefined;
    for (let d = first; d <= last; d++) week.add(d % 7);
  }
  return [...week].sort();
}

function whole(text: string | undefined, most: number): number | undefined {
  return text && /^\d{1,2}$/.test(text) && Number(text) <= most ? Number(text) : undefined;
}

const clock = (h: number, m: number) => `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`;
const list = (items: string[], language: string) =>
  new Intl.ListFormat(language, { type: 'conjunction' }).format(items);

function date(y: number, m: number, d: number, form: Intl.DateTimeFormatOptions, language: string): string {
  return new Date(Date.UTC(y, m, d)).toLocaleDateString(language, { ...form, timeZone: 'UTC' });
}
