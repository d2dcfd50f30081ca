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
  hidden: { word: 'verdeckt', hint: 'vertraulich: die Werte sind verdeckt' },
  revealed: { word: 'offen', hint: 'vertraulich: die Werte stehen offen da' },
  reveal: 'Vertrauliches zeigen',
  hide: 'Vertrauliches verdecken',
  revealing: 'Wird gezeigt …',
  revealNeeds: 'Vertrauliche Werte sieht nur, wer das Recht admin hat.',
  revealFailed: 'Die vertraulichen Werte konnten nicht gezeigt werden.',
  revealedNote:
    'Vertrauliche Werte stehen offen da, bis sie wieder verdeckt werden oder die Seite verlassen wird. Downloads und Diagramme sind ohne sie.',
  hiddenInBatch:
    'Vertrauliche Werte sind hier verdeckt. Wer das Recht admin hat, kann sie auf der Seite einer Datei zeigen.',
  withSensitive: 'mit vertraulichen Werten',
};
