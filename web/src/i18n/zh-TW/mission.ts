import type { mission as en } from '../en/mission';
import type { Words } from '../types';

export const mission: Words<typeof en> = {
  title: '任務',
};
