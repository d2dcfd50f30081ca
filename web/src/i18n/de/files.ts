import type { files as en } from '../en/files';
import type { Words } from '../types';

export const files: Words<typeof en> = {
  title: 'Dateien',
};
