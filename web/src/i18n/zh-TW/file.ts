import type { file as en } from '../en/file';
import type { Words } from '../types';

export const file: Words<typeof en> = {
  title: '檔案',
};
