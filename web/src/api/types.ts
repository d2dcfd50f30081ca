import type { components } from './schema';

type S = components['schemas'];

export type File = S['File'];
export type Decode = S['Decode'];
export type Table = S['Table'];
export type Column = S['Column'];
export type Rows = S['Rows'];
export type Series = S['Series'];
export type Issue = S['Issue'];
export type Layout = S['Layout'];
export type BatchLine = S['BatchLine'];
export type BatchDetail = S['BatchDetail'];
export type Job = S['Job'];
export type Queue = S['QueueLine'];
export type Schedule = S['ScheduleLine'];
export type Flow = S['Flow'];
export type Worker = S['Worker'];
export type Plugin = S['Plugin'];
export type Alert = S['AlertLine'];
export type LogLine = S['LogLine'];
export type Session = S['Session'];
export type SystemInfo = S['SystemInfo'];
export type AccessToken = S['AccessToken'];
