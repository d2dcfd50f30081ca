import type { monitor as en } from '../en/monitor';
import type { Words } from '../types';

export const monitor: Words<typeof en> = {
  title: '指標',
};
