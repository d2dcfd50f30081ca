import type { uploads as en } from '../en/uploads';
import type { Words } from '../types';

export const uploads: Words<typeof en> = {
  title: 'Uploads',
};
