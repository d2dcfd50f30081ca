/** What a chart is drawn over: a way, a time, or the number of a row. */
export interface Axis {
  kind: 'time' | 'distance' | 'number';
  /** Time since a start, which is 0. */
  elapsed?: boolean;
  /** Of the whole: least and largest value. Times are seconds of Unix time, of a naive clock as if it were UTC. */
  full: readonly [number, number];
  unit: string;
  label: string;
}

export interface LineSeries {
  key: string;
  label: string;
  /** 1 to 4, then the same dashed. */
  color: number;
  xs: readonly number[];
  ys: readonly (number | null)[];
  /** Least and largest value of each stretch, where points stand for many rows. */
  low?: readonly (number | null)[];
  high?: readonly (number | null)[];
  /** The value holds until the next. */
  step?: boolean;
  /** Null says that there is no value from here on; otherwise it says nothing, and the value before holds. */
  gaps?: boolean;
  /** `area` is filled down to zero and drawn faintly; `thin` is half as strong. */
  style?: 'line' | 'thin' | 'area';
}

export interface LineLane {
  type: 'lines';
  key: string;
  label: string;
  unit: string;
  height: number;
  series: readonly LineSeries[];
  /** Values of the first series over this one are filled: too fast. */
  over?: { series: string; limit: string };
  /** The scale begins at zero, and stays as it is when zoomed. */
  zero?: boolean;
  empty?: string;
  /** What is missing in it. */
  lacks?: string;
  /** Words at places of it, as the largest value. */
  notes?: readonly { x: number; y: number; text: string; color: number }[];
}

/** A line through all lanes, as where a train stood. */
export interface Rule {
  x: number;
  tone: 'dim' | 'warn' | 'bad';
  text?: string;
  /** At its top: what it is, for those who do not see its colour. */
  shape?: 'info' | 'warning' | 'error' | 'row';
}

export interface Mark {
  x: number;
  /** End of a stretch. */
  to?: number;
  tone: 'ink' | 'dim' | 'warn' | 'bad' | 'badline';
  /** Half as tall. */
  short?: boolean;
  text?: string;
  title?: string;
}

export interface MarkLane {
  type: 'marks';
  key: string;
  label: string;
  height: number;
  marks: readonly Mark[];
  empty?: string;
  /** What is missing in it. */
  lacks?: string;
}

export interface BarLane {
  type: 'bars';
  key: string;
  label: string;
  unit: string;
  height: number;
  /** Up and down from a line in the middle. */
  bars: readonly { x: number; to: number; value: number }[];
  empty?: string;
}

/** A state and how long it lasts. `mixed`: it changes more often than can be drawn. */
export interface Stretch {
  x: number;
  to: number;
  text: string;
  mixed?: boolean;
}

/** States by name, one behind the other. */
export interface StateLane {
  type: 'states';
  key: string;
  label: string;
  height: number;
  states: readonly Stretch[];
  empty?: string;
}

export type Lane = LineLane | MarkLane | BarLane | StateLane;
export type Window = readonly [number, number];
