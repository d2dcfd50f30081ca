import type { track as en } from '../en/track';
import type { Words } from '../types';

export const track: Words<typeof en> = {
  title: 'Strecke',
};
