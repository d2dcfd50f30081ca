import type { charts as en } from '../en/charts';
import type { Words } from '../types';

export const charts: Words<typeof en> = {
  title: 'Diagramme',
  whole: 'Ganze Fahrt',
  zoomIn: 'Vergrößern',
  zoomOut: 'Verkleinern',
  all: 'Alles',
  copyLink: 'Link kopieren',
  export: 'Ausgeben',
  png: 'Bild (PNG)',
  csv: 'Gezeigte Werte (CSV)',
  choose: 'Wählen, was gezeichnet wird',
  chooseText:
    'Öffnen Sie eine Aufzeichnung und drücken Sie «Spalten zeichnen», oder wählen Sie hier eine. Mehrere Aufzeichnungen können übereinander liegen.',
  recording: 'Aufzeichnung',
  table: 'Tabelle',
  add: 'Aufzeichnung hinzufügen',
  remove: 'Entfernen',
  columns: 'Spalten',
  over: 'über',
  row: 'Zeilennummer',
  align: 'Ausrichten',
  alignments: { clock: 'Uhrzeit', start: 'Eigener Beginn' },
  cursor: 'Cursor',
  difference: 'B − A',
  clearMarks: 'A und B entfernen',
  noColumns: 'Diese Tabelle hat keine Spalte, die gezeichnet werden kann.',
  empty: 'hier keine Werte',
  chart: 'Diagramm der gewählten Spalten',
  points: (shown, rows) => `${shown} Punkte gezeichnet von ${rows} Zeilen`,
  needDecode: 'Diese Aufzeichnung hat keine Tabellen.',
};
