import type { schedules as en } from '../en/schedules';
import type { Words } from '../types';

export const schedules: Words<typeof en> = {
  title: 'Zeitpläne',
};
