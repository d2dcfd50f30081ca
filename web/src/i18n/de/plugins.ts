import type { plugins as en } from '../en/plugins';
import type { Words } from '../types';

export const plugins: Words<typeof en> = {
  title: 'Plugins',
};
