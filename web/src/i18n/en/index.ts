import { common } from './common';
import { shell } from './shell';
import { overview } from './overview';
import { files } from './files';
import { uploads } from './uploads';
import { file } from './file';
import { charts } from './charts';
import { mission } from './mission';
import { track } from './track';
import { batches } from './batches';
import { queues } from './queues';
import { grid } from './grid';
import { jobs } from './jobs';
import { schedules } from './schedules';
import { flows } from './flows';
import { workers } from './workers';
import { plugins } from './plugins';
import { keys } from './keys';
import { logs } from './logs';
import { monitor } from './monitor';
import { settings } from './settings';

/** One file a part of the console; functions where a number or a name stands within. */
export const text = {
  common,
  shell,
  overview,
  files,
  uploads,
  file,
  charts,
  mission,
  track,
  batches,
  queues,
  grid,
  jobs,
  schedules,
  flows,
  workers,
  plugins,
  keys,
  logs,
  monitor,
  settings,
} as const;

export type Text = Widen<typeof text>;

type Widen<T> = import('../types').Words<T>;
