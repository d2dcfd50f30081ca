import type { titles as en } from '../en/titles';
import type { Words } from '../types';

export const titles: Words<typeof en> = {
  overview: 'Übersicht',
  files: 'Dateien',
  uploads: 'Uploads',
  file: 'Datei',
  charts: 'Diagramme',
  mission: 'Fahrt',
  track: 'Strecke',
  batches: 'Stapel',
  queues: 'Warteschlangen',
  jobs: 'Aufträge',
  schedules: 'Zeitpläne',
  flows: 'Abläufe',
  workers: 'Worker',
  plugins: 'Plugins',
  keys: 'Schlüssel',
  logs: 'Protokoll',
  monitor: 'Messwerte',
  settings: 'Einstellungen',
};
