import type { flows as en } from '../en/flows';
import type { Words } from '../types';

export const flows: Words<typeof en> = {
  title: '流程',
};
