import type { grid as en } from '../en/grid';
import type { Words } from '../types';

export const grid: Words<typeof en> = {
  filterOf: (column) => `${column} filtern: > 60, 60..80, = 47, != 3, null oder ein Text`,
  found: (n) => `${n} Zeilen`,
  naive: 'Uhr des Rekorders, ohne Zeitzone',
  wrong: {
    number: 'erwartet eine Zahl, etwa > 60, 60..80, = 47, != 3 oder null',
    time: 'erwartet eine Zeit, etwa 12:02..12:10, > 2024-11-15 oder null',
    empty: 'braucht einen Wert hinter dem Zeichen',
  },
  noMatch: 'Keine Zeile passt',
  withoutFilters: (n) => `${n} Zeilen ohne Filter.`,
  columns: 'Spalten',
  resetColumns: 'Alle Spalten, wie am Anfang',
};
