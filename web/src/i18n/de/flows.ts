import type { flows as en } from '../en/flows';
import type { Words } from '../types';

export const flows: Words<typeof en> = {
  title: 'Abläufe',
  flow: 'Ablauf',
  state: 'Zustand',
  jobs: 'Aufträge',
  made: 'angelegt',
  ended: 'beendet',
  progress: 'Fortschritt',
  graph: 'Aufträge des Ablaufs, und was worauf wartet',
  cancel: 'Ablauf abbrechen',
  willCancel: 'Was vom Ablauf nicht beendet ist, wird abgebrochen.',
  cancelled: 'Der Ablauf ist abgebrochen.',
  none: 'Keine Abläufe',
  noneText: 'Ein Ablauf sind mehrere Aufträge, von denen manche auf andere warten: angelegt über die API, POST /flows.',
  notDone: 'Das ging nicht.',
  needsAdmin: 'Dafür braucht es das Recht admin.',
  deleted: 'Gelöscht',
  doneOf: (done, all) => `${done} von ${all} beendet`,
  goesOn: 'läuft auch, wenn dies scheitert',
  foot: (n) => `${n} Abläufe`,
  waitsFor: (keys) => `wartet auf ${keys}`,
};
