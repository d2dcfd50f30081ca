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
  hidden: { word: '已遮蔽', hint: '敏感資料：值已遮蔽' },
  revealed: { word: '已顯示', hint: '敏感資料：值以原樣顯示' },
  reveal: '顯示敏感值',
  hide: '遮蔽敏感值',
  revealing: '正在顯示…',
  revealNeeds: '只有具備 admin 權限者才能查看敏感值。',
  revealFailed: '無法顯示敏感值。',
  revealedNote: '敏感值目前以原樣顯示，直到再次遮蔽或離開此頁。下載與圖表不含這些值。',
  hiddenInBatch: '此處的敏感值已遮蔽。具備 admin 權限者可在檔案頁面顯示。',
  withSensitive: '含敏感值',
};
