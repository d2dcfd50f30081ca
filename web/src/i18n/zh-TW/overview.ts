import type { overview as en } from '../en/overview';
import type { Words } from '../types';

export const overview: Words<typeof en> = {
  title: '總覽',
};
