import type { titles as en } from '../en/titles';
import type { Words } from '../types';

export const titles: Words<typeof en> = {
  overview: '總覽',
  files: '檔案',
  uploads: '上傳',
  file: '檔案',
  charts: '圖表',
  mission: '任務',
  track: '軌跡',
  batches: '批次',
  queues: '佇列',
  jobs: '工作',
  schedules: '排程',
  flows: '流程',
  workers: '工作程序',
  plugins: '外掛',
  keys: '鍵值',
  logs: '日誌',
  monitor: '監控',
  settings: '設定',
};
