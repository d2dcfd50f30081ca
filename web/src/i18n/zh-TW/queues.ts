import type { queues as en } from '../en/queues';
import type { Words } from '../types';

export const queues: Words<typeof en> = {
  title: '佇列',
};
