// The words of the filter field: `queue:email type:mail error:refused payload text`.

import type { Job } from '../../api/types';
import { indent } from '../../lib/json';

export type JobStatus = Job['status'];
export const statuses: readonly JobStatus[] = [
  'ready',
  'active',
  'scheduled',
  'waiting',
  'retry',
  'dead',
  'completed',
  'cancelled',
];

export interface JobFilter {
  queue?: string;
  type?: string;
  code?: string;
  flow?: string;
  schedule?: string;
  ids?: string[];
  /** In the message of the last error, or in the payload. */
  q?: string;
}

const words: Record<string, 'queue' | 'type' | 'code' | 'flow' | 'schedule' | 'ids' | 'q'> = {
  queue: 'queue',
  type: 'type',
  code: 'code',
  flow: 'flow',
  schedule: 'schedule',
  id: 'ids',
  job: 'ids',
  error: 'q',
  payload: 'q',
};

/** Quotes keep blanks together: `error:"connection refused"`. */
export function parseJobFilter(text: string): JobFilter {
  const filter: JobFilter = {};
  const free: string[] = [];
  for (const m of text.matchAll(/(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/gi)) {
    const value = m[2] ?? m[3] ?? '';
    const key = m[1] ? words[m[1].toLowerCase()] : undefined;
    if (value === '') continue;
    if (key === 'ids') filter.ids = [...(filter.ids ?? []), ...value.split(',')];
    else if (key && key !== 'q') filter[key] = value;
    else free.push(key === 'q' || !m[1] ? value : m[0]);
  }
  if (free.length > 0) filter.q = free.join(' ');
  return filter;
}

/** What can be done with a job in that state. */
export function actionsFor(status: JobStatus): readonly ('retry' | 'promote' | 'cancel' | 'delete' | 'edit')[] {
  switch (status) {
    case 'dead':
    case 'cancelled':
      return ['retry', 'edit', 'delete'];
    case 'completed':
      return ['delete'];
    case 'active':
      return ['cancel'];
    case 'scheduled':
    case 'retry':
      return ['promote', 'edit', 'cancel', 'delete'];
    default:
      return ['edit', 'cancel', 'delete'];
  }
}

/** JSON, indented; a large one is cut for showing, and says so. */
export function shownJson(json: string, most = 20_000): { text: string; cut: number } {
  const text = indent(json);
  return text.length > most ? { text: text.slice(0, most), cut: text.length - most } : { text, cut: 0 };
}

/** Whether a job of an event would stand in this list, as far as that can be said without asking: words are not looked at. */
export function matchesEvent(
  job: Pick<Job, 'id' | 'status' | 'queue' | 'type' | 'flow_id' | 'schedule_id'>,
  status: JobStatus | undefined,
  filter: JobFilter,
): boolean {
  return (
    (!status || job.status === status) &&
    (!filter.queue || job.queue === filter.queue) &&
    (!filter.type || job.type === filter.type) &&
    (!filter.flow || job.flow_id === filter.flow) &&
    (!filter.schedule || job.schedule_id === filter.schedule) &&
    (!filter.ids || filter.ids.includes(job.id))
  );
}
