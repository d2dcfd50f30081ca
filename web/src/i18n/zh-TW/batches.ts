import type { batches as en } from '../en/batches';
import type { Words } from '../types';

export const batches: Words<typeof en> = {
  title: '批次',
};
