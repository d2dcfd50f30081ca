import type { keys as en } from '../en/keys';
import type { Words } from '../types';

export const keys: Words<typeof en> = {
  title: '鍵',
};
