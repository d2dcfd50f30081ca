import type { files as en } from '../en/files';
import type { Words } from '../types';

export const files: Words<typeof en> = {
  title: 'Dateien',
  filter: 'Nach Namen filtern',
  status: 'Zustand der Dekodierung',
  statuses: { '': 'Alle', running: 'Läuft', done: 'Fertig', partial: 'Teilweise', failed: 'Fehlgeschlagen' },
  state: 'Zustand',
  name: 'Name',
  format: 'Format',
  size: 'Größe',
  rows: 'Zeilen',
  issues: 'Auffällig',
  speed: 'Geschwindigkeit',
  received: 'eingegangen',
  stored: 'Nur gespeichert',
  unknown: 'Unbekanntes Format',
  decoding: (percent) => `Dekodiert ${percent} %`,
  fresh: (n, text) => (n === 1 ? 'Eine neue Aufzeichnung' : `${text} neue Aufzeichnungen`),
  showFresh: 'Zeigen',
  empty: 'Noch keine Aufzeichnungen',
  emptyText:
    'Ziehen Sie eine Aufzeichnung irgendwo auf diese Seite. Ihr Format wird am Inhalt erkannt; eine Sekunde später sind ihre Tabellen hier.',
  noMatch: 'Keine Aufzeichnung passt',
  looking: (n) => `Ältere werden durchgesehen: bisher ${n}`,
  selected: (n, text) => (n === 1 ? '1 Aufzeichnung ausgewählt' : `${text} Aufzeichnungen ausgewählt`),
  again: 'Nochmals dekodieren',
  asBatch: 'Als Stapel zusammenfassen',
  chart: 'Zusammen zeichnen',
  deleteAll: (n) => `${n} löschen`,
  willDelete: (n, text) =>
    n === 1
      ? 'Eine Aufzeichnung und ihre Tabellen werden gelöscht.'
      : `${text} Aufzeichnungen und ihre Tabellen werden gelöscht.`,
  deletedAll: (done, failed) => `${done} gelöscht, ${failed} nicht.`,
  againAll: (done, failed) => `${done} nochmals dekodiert, ${failed} abgelehnt.`,
  batchMade: 'Der Stapel ist angelegt.',
  show: 'Zeigen',
  notDone: 'Das ging nicht.',
  foot: (n, more) => (more ? `die neuesten ${n} gezeigt` : `${n} gezeigt`),
  needsAdmin: 'Dafür braucht es das Recht admin.',
  needsUpload: 'Dafür braucht es das Recht upload.',
};
