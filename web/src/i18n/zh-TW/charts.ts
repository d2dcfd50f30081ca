import type { charts as en } from '../en/charts';
import type { Words } from '../types';

export const charts: Words<typeof en> = {
  title: '圖表',
};
