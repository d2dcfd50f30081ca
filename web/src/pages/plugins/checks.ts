import type { Plugin } from '../../api/types';

export type Check = Plugin['checks'][number];
export type Step = Check['name'];
export type Outcome = Check['state'] | 'running';

/** The states of modules: those of the list, and of the other modules of an id. */
export type ModuleState = Plugin['state'];

/** At which check a module stopped. */
export const stoppedAt = (checks: readonly Check[]): Step =>
  checks.find((c) => c.state === 'failed')?.name ?? 'compile';

/** How a check went; while a module is compiled, the worker is at one of the next two. */
export function outcomeOf(check: Check, state: ModuleState): Outcome {
  const worker = check.name === 'rules' || check.name === 'compile';
  return state === 'compiling' && worker && check.state === 'not_reached' ? 'running' : check.state;
}
