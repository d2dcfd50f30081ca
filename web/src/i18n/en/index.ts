import { text as pages } from './pages-en';
import { text as words } from './words-en';
import type { Words } from '../types';

/** One file a part of the console; functions where a number or a name stands within. */
export const text = { ...words, ...pages };

export type Text = Words<typeof text>;
