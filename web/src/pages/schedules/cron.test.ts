import { expect, it } from 'vitest';
import { schedules as de } from '../../i18n/de/schedules';
import { schedules as en } from '../../i18n/en/schedules';
import { schedules as zh } from '../../i18n/zh-TW/schedules';
import { inWords } from './cron';

const say = (cron: string) => inWords(cron, en.often, 'en');

it.each([
  ['* * * * *', 'every minute'],
  ['*/15 * * * *', 'every 15 minutes'],
  ['0 */15 * * * *', 'every 15 minutes'],
  ['*/10 * * * 1-5', 'every 10 minutes, Monday to Friday'],
  ['@hourly', 'every hour at minute 0'],
  ['5 */6 * * *', 'every 6 hours from 00:05 on'],
  ['0 3 * * *', 'every day at 03:00'],
  [' 30  12,3 * * ? ', 'every day at 03:30 and 12:30'],
  ['0 8 * * mon-fri', 'Monday to Friday at 08:00'],
  ['0 8 * * SAT,7', 'every Sunday and Saturday at 08:00'],
  ['0 8 * * 0-6', 'every day at 08:00'],
  ['@weekly', 'every Sunday at 00:00'],
  ['@monthly', 'on the 1st of each month at 00:00'],
  ['0 0 12 * *', 'on the 12th of each month at 00:00'],
  ['0 22 L * *', 'on the last day of each month at 22:00'],
  ['0 0 31 DEC *', 'every year on December 31 at 00:00'],
])('%s: %s', (cron, want) => expect(say(cron)).toBe(want));

it('says it in German and Chinese', () => {
  expect(inWords('0 3 * * 1,4', de.often, 'de')).toBe('jeden Montag und Donnerstag um 03:00 Uhr');
  expect(inWords('@yearly', de.often, 'de')).toBe('jedes Jahr am 1. Januar um 00:00 Uhr');
  expect(inWords('*/5 * * * 1-5', zh.often, 'zh-TW')).toBe('星期一至星期五，每 5 分鐘');
  expect(inWords('0 3 * * 1,4', zh.often, 'zh-TW')).toBe('每星期一和星期四 03:00');
});

it.each([
  ['', '@HOURLY', '@every 5m', '@reboot', 'constructor', '* * * *', '* * * * * * *', 'when I like'],
  ['*/7 * * * *', '0 */5 * * *', '0/15 * * * *', '5-20 * * * *', '0,30 * * * *', '*/5 8-18 * * *', '*/5 3 * * *'],
  ['60 * * * *', '0 24 * * *', '0 3 0 * *', '0 3 * 13 *', '0 3 * * 8', '-1 * * * *', '+5 3 * * *', '1e1 * * * *'],
  ['0 0 13 * FRI', '0 0 1 * 0-6', '0 0 15W * *', '0 0 L-3 * *', '0 0 * * FRI#3', '0 0 * * MON#L', '0 0 1-7 * *'],
  ['0 0 31 * *', '0 0 29 2 *', '0 0 * 6 *', '0 0 1 1-3 *', '0 0 * * 5-1', '0 0 * * */2', '0 0 * * 1-', '0 0 * * 1-2-3'],
  ['30 0 3 * * *', '*/10 * * * * *', '* * * * * *'],
])('leaves %j and the like as they are', (...crons) => {
  for (const cron of crons) expect(say(cron)).toBe(cron);
});

// What a field lets through, worked out without the module: plain numbers, `*`, steps, ranges and lists; others are
// themselves alone.
function values(field: string, from: number, to: number): string {
  const set = new Set<number>();
  for (const part of field.replace('?', '*').split(',')) {
    const m = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (!m) return field;
    const first = m[1] === undefined ? from : Number(m[1]);
    const last = m[1] === undefined ? to : m[2] === undefined ? (m[3] ? to : first) : Number(m[2]);
    for (let v = first; v <= last; v += Number(m[3] ?? 1)) set.add(to === 6 ? v % 7 : v);
  }
  return [...set].sort((a, b) => a - b).join();
}

it('never says two things in the same words', () => {
  const pool: string[][] = [
    ['*', '0', '00', '59', '*/5', '*/7', '0-59', '0,30', '0/15'],
    ['*', '03', '3', '3,12', '12,3', '*/6', '*/5', '0-23', '8-18'],
    ['*', '?', '1', '01', '31', 'L', '15W', '1,15', '1-7', '1-31'],
    ['*', '1', '12', '2', '1-3'],
    ['*', '?', '0', '7', '1-5', '1,2,3,4,5', '0-6', '6,0', '5-7', '1#3'],
  ];
  const ranges = [[0, 59], [0, 23], [1, 31], [1, 12], [0, 6]] as const; // prettier-ignore
  const meant = new Map<string, string>();
  let said = 0;
  const walk = (fields: string[]) => {
    const at = fields.length;
    if (at < 5) return pool[at]?.forEach((f) => walk([...fields, f]));
    const cron = fields.join(' ');
    const words = say(cron);
    if (words === cron) return;
    said++;
    const meaning = fields.map((f, i) => values(f, ranges[i]?.[0] ?? 0, ranges[i]?.[1] ?? 0)).join(' ');
    const other = meant.get(words);
    if (other !== undefined && other !== meaning) throw new Error(`${cron}: ${words}, as ${other}`);
    meant.set(words, meaning);
  };
  walk([]);
  expect(said).toBeGreaterThan(500);
});
