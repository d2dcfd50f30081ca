import type { track as en } from '../en/track';
import type { Words } from '../types';

export const track: Words<typeof en> = {
  title: '軌跡',
  choose: '選擇要繪製的內容',
  chooseText: '依比例繪製記錄檔的位置，不使用地圖：有經緯度時以經緯度繪製，否則沿路線距離繪製。',
  none: '此資料表沒有位置',
  noneText: '需要經緯度欄位，或角色為 position 的欄位。',
  map: '依欄位著色的位置',
  colour: '著色依據',
  along: '此記錄檔沒有經緯度，因此繪製沿路線距離隨時間的變化。',
  north: '北',
  position: '位置',
  time: '時間',
  value: '值',
  whole: '全程',
  zoomIn: '放大',
  zoomOut: '縮小',
  chart: '圖表',
  points: (n, rows) => `繪製 ${n} 點，共 ${rows} 列`,
  said: (place, time, value) => `${place}，${time}，${value}`,
};
