// Of all other pages: loaded with the first of them.
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

export const text = {
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
};
