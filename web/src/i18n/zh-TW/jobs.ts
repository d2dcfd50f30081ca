import type { jobs as en } from '../en/jobs';
import type { Words } from '../types';

export const jobs: Words<typeof en> = {
  title: '工作',
};
