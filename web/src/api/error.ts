import type { components } from './schema';

type Problem = components['schemas']['Problem'];

/** An answer that is not what was asked for, or none at all (`status` 0, code `offline`). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;
  readonly offset: number | undefined;
  readonly fields: { field: string; message: string }[];

  constructor(status: number, problem: Partial<Omit<Problem, 'code'>> & { code?: string }) {
    super(problem.detail || problem.title || 'HTTP ' + status);
    this.name = 'ApiError';
    this.status = status;
    this.code = problem.code ?? (status === 0 ? 'offline' : 'internal');
    this.title = problem.title ?? '';
    this.requestId = problem.request_id;
    this.retryAfter = problem.retry_after;
    this.offset = problem.offset;
    this.fields = (problem.errors ?? []).map((e) => ({ field: e.field ?? '', message: e.message ?? '' }));
  }

  get offline(): boolean {
    return this.status === 0;
  }
}

/** A script that the page needs is not to be had: as a rule the appliance has a newer one by now. Asking again is no help. */
export const staleError = () => new ApiError(-1, { code: 'stale' });

export function asApiError(e: unknown): ApiError {
  if (e instanceof ApiError) return e;
  if (e instanceof TypeError) return new ApiError(0, {}); // what fetch throws when nothing answers
  return new ApiError(-1, { code: 'console', detail: e instanceof Error ? e.message : String(e) });
}
