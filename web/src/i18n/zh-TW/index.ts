import type { Text } from '../en';
import { text as pages } from './pages-zh-TW';
import { text as words } from './words-zh-TW';

export const text: Text = { ...words, ...pages };
