import type { Route } from './lib/router.svelte';

/** All pages. The appliance answers these addresses with the console (web/embed.go has the first segments). */
export const routes: readonly Route[] = [
  { pattern: '/', nav: 'overview', load: () => import('./pages/overview/Overview.svelte') },
  { pattern: '/files', nav: 'files', load: () => import('./pages/files/Files.svelte') },
  { pattern: '/files/:id/mission', nav: 'files', load: () => import('./pages/mission/Mission.svelte') },
  { pattern: '/files/:id/:table?', nav: 'files', load: () => import('./pages/file/File.svelte') },
  { pattern: '/charts', nav: 'charts', load: () => import('./pages/charts/Charts.svelte') },
  { pattern: '/track', nav: 'track', load: () => import('./pages/track/Track.svelte') },
  { pattern: '/batches/:batch/mission', nav: 'batches', load: () => import('./pages/mission/Mission.svelte') },
  { pattern: '/batches/:id?', nav: 'batches', load: () => import('./pages/batches/Batches.svelte') },
  { pattern: '/queues/:name?', nav: 'queues', load: () => import('./pages/queues/Queues.svelte') },
  { pattern: '/jobs', nav: 'jobs', load: () => import('./pages/jobs/Jobs.svelte') },
  { pattern: '/schedules', nav: 'schedules', load: () => import('./pages/schedules/Schedules.svelte') },
  { pattern: '/flows/:id?', nav: 'flows', load: () => import('./pages/flows/Flows.svelte') },
  { pattern: '/workers', nav: 'workers', load: () => import('./pages/workers/Workers.svelte') },
  { pattern: '/plugins', nav: 'plugins', load: () => import('./pages/plugins/Plugins.svelte') },
  { pattern: '/keys', nav: 'keys', load: () => import('./pages/keys/Keys.svelte') },
  { pattern: '/logs', nav: 'logs', load: () => import('./pages/logs/Logs.svelte') },
  { pattern: '/monitor', nav: 'monitor', load: () => import('./pages/monitor/Monitor.svelte') },
  { pattern: '/settings/:part?', nav: 'settings', load: () => import('./pages/settings/Settings.svelte') },
];
