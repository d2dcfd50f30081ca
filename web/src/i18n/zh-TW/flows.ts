import type { flows as en } from '../en/flows';
import type { Words } from '../types';

export const flows: Words<typeof en> = {
  title: '流程',
  flow: '流程',
  state: '狀態',
  jobs: '工作',
  made: '建立於',
  ended: '結束於',
  progress: '進度',
  graph: '流程中的工作及其相依關係',
  cancel: '取消流程',
  willCancel: '流程中未結束的部分即將取消。',
  cancelled: '流程已取消。',
  none: '沒有流程',
  noneText: '流程由多個有相依關係的工作組成：透過 API（POST /flows）建立。',
  notDone: '無法完成。',
  needsAdmin: '需要 admin 權限。',
  deleted: '已刪除',
  doneOf: (done, all) => `${all} 個中已結束 ${done} 個`,
  goesOn: '即使失敗也會執行',
  foot: (n) => `${n} 個流程`,
  waitsFor: (keys) => `等待 ${keys}`,
};
