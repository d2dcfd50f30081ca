import type { logs as en } from '../en/logs';
import type { Words } from '../types';

export const logs: Words<typeof en> = {
  title: '日誌',
};
