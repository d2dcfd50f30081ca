import type { Text } from '../i18n/en';

export interface Link {
  key: string;
  href: string;
  text: string;
}

/** The entries of the navigation, by group. */
export function groupsOf(t: Text): { name: string; links: Link[] }[] {
  const link = (key: 'overview' | Entry, href = '/' + key): Link => ({ key, href, text: t.titles[key] });
  const g = t.shell.groups;
  return [
    { name: '', links: [link('overview', '/')] },
    { name: g.recordings, links: [link('files'), link('batches'), link('charts'), link('track')] },
    { name: g.work, links: [link('queues'), link('jobs'), link('schedules'), link('flows'), link('workers')] },
    { name: g.appliance, links: [link('plugins'), link('keys'), link('logs'), link('monitor'), link('settings')] },
  ];
}

type Entry =
  | 'files'
  | 'batches'
  | 'charts'
  | 'track'
  | 'queues'
  | 'jobs'
  | 'schedules'
  | 'flows'
  | 'workers'
  | 'plugins'
  | 'keys'
  | 'logs'
  | 'monitor'
  | 'settings';

export const pagesOf = (t: Text): Link[] => groupsOf(t).flatMap((g) => g.links);
