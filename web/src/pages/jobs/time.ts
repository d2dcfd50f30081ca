import { clock, day } from '../../lib/format';

/** An instant as the browser's field for day and time has it: in its own zone, to the second. */
export function localTime(at: string): string {
  const date = new Date(at);
  return `${day(date)}T${clock(date)}`;
}

/** What that field has, as an instant; null where it is empty. */
export function instant(local: string): string | null {
  return local === '' ? null : new Date(local).toISOString();
}
