import type { grid as en } from '../en/grid';
import type { Words } from '../types';

export const grid: Words<typeof en> = {
  filterOf: (column) => `篩選 ${column}：> 60、60..80、= 47、!= 3、null 或文字`,
  found: (n) => `${n} 列`,
  naive: '記錄器的時鐘，未註明時區',
  wrong: {
    number: '需要數字，例如 > 60、60..80、= 47、!= 3 或 null',
    time: '需要時間，例如 12:02..12:10、> 2024-11-15 或 null',
    empty: '符號後需要一個值',
  },
  noMatch: '沒有符合的列',
  withoutFilters: (n) => `未篩選時共 ${n} 列。`,
  columns: '欄位',
  resetColumns: '顯示所有欄位並還原寬度',
};
