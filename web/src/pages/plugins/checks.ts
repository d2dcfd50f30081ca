import type { Plugin } from '../../api/types';

/** What a module goes through before it may decode, in this order. */
export const steps = ['module', 'manifest', 'signature', 'rules', 'compile', 'golden'] as const;
export type Step = (typeof steps)[number];
export type Outcome = 'passed' | 'stopped' | 'running' | 'waiting';

export interface Check {
  step: Step;
  outcome: Outcome;
}

/** The states of modules: those of the list, and of the other modules of an id. */
export type ModuleState = Plugin['state'];

// The API tells why in a sentence. How it begins, or what it names, says at which check the module stopped.
const marks: readonly [Step, RegExp][] = [
  ['signature', /\bsign(ed|ature)\b|is built in: only a module signed/],
  ['golden', /golden vector/],
  ['rules', /^check: /],
  ['manifest', /^(read )?manifest\b|^the manifest\b|: manifest: /],
  [
    'module',
    /^read module\b|not a WebAssembly module|^the module has (more than )?\d+ (sections|bytes)|^section \d+|custom section|no regular file|larger than|^a module may have/,
  ],
];

/** At which check a module stopped. */
export function stoppedAt(reason: string): Step {
  return marks.find(([, mark]) => mark.test(reason))?.[0] ?? 'compile';
}

export function checksOf(state: ModuleState, reason: string | null): Check[] {
  const at = state === 'rejected' ? steps.indexOf(stoppedAt(reason ?? '')) : steps.indexOf('compile');
  return steps.map((step, i) => {
    if (state === 'rejected') return { step, outcome: i < at ? 'passed' : i === at ? 'stopped' : 'waiting' };
    if (state === 'compiling') return { step, outcome: i < at - 1 ? 'passed' : i <= at ? 'running' : 'waiting' };
    return { step, outcome: 'passed' };
  });
}
