import type { workers as en } from '../en/workers';
import type { Words } from '../types';

export const workers: Words<typeof en> = {
  title: 'Worker',
};
