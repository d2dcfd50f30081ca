// Of the frame and the first page: loaded before anything is shown.
import { common } from './common';
import { shell } from './shell';
import { overview } from './overview';
import { files } from './files';
import { uploads } from './uploads';
import { titles } from './titles';

export const text = {
  common,
  shell,
  overview,
  files,
  uploads,
  titles,
};
