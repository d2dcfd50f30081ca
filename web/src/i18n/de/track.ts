import type { track as en } from '../en/track';
import type { Words } from '../types';

export const track: Words<typeof en> = {
  title: 'Strecke',
  choose: 'Wählen, was gezeichnet wird',
  chooseText:
    'Die Lagen einer Aufzeichnung werden maßstäblich gezeichnet, ohne Karte: Breite und Länge, wo es sie gibt, sonst der Weg entlang der Strecke.',
  none: 'Diese Tabelle hat keine Lagen',
  noneText: 'Es braucht Spalten für Breite und Länge oder eine mit der Rolle position.',
  map: 'Lagen, gefärbt nach einer Spalte',
  colour: 'Färben nach',
  along: 'Gezeichnet ist der Weg entlang der Strecke über der Zeit: Die Aufzeichnung hat keine Breite und Länge.',
  north: 'N',
  position: 'Lage',
  time: 'Zeit',
  value: 'Wert',
  whole: 'Ganze Strecke',
  zoomIn: 'Vergrößern',
  zoomOut: 'Verkleinern',
  chart: 'Diagramm',
  points: (n, rows) => `${n} Punkte gezeichnet von ${rows} Zeilen`,
  said: (place, time, value) => `${place}, ${time}, ${value}`,
};
