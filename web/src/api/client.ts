import createClient, { type Client, type Middleware } from 'openapi-fetch';
import { ApiError } from './error';
import type { paths } from './schema';

/** What the console is told about its requests. */
export interface Observer {
  /** An answer came, after so many milliseconds. */
  answered(status: number, milliseconds: number): void;
  /** None came. */
  unanswered(): void;
}

export type Api = Client<paths>;

/** The HTTP API, with types from its OpenAPI document. Every answer that is no success is thrown as an ApiError by `data`. */
export function createApi(observer: Observer, base = '/api/v1', send: typeof fetch = (...args) => fetch(...args)): Api {
  const begun = new WeakMap<Request, number>();
  const watch: Middleware = {
    onRequest({ request }) {
      begun.set(request, performance.now());
    },
    onResponse({ request, response }) {
      observer.answered(response.status, performance.now() - (begun.get(request) ?? performance.now()));
    },
    onError({ error }) {
      if (error instanceof TypeError) observer.unanswered();
    },
  };
  const api = createClient<paths>({ baseUrl: base, fetch: (request) => send(request) });
  api.use(watch);
  return api;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What was asked for, or an ApiError: `await data(api.GET('/files'))`. */
export async function data<T>(answer: Promise<Answer<T>>): Promise<NonNullable<T>> {
  const { data, error, response } = await answer;
  if (!response.ok || error !== undefined) throw problemOf(response, error);
  return data as NonNullable<T>;
}

/** An answer with the text that it came as, in which numbers are what they were, and with its tag, for If-Match. */
export interface Whole<T> {
  data: T;
  text: string;
  tag: string;
}

/** As `data`, of a request that parses as text: `await whole<File>(api.GET('/files', { parseAs: 'text' }))`. */
export async function whole<T>(answer: Promise<Answer<string>>): Promise<Whole<T>> {
  const text = await data(answer);
  return { data: JSON.parse(text) as T, text, tag: (await answer).response.headers.get('ETag') ?? '' };
}

/** The body of a request that is JSON already. */
export const raw = (json: string) => ({ body: json as never, bodySerializer: String });

/** For answers without a body. */
export async function done(answer: Promise<Answer<unknown>>): Promise<void> {
  const { error, response } = await answer;
  if (!response.ok) throw problemOf(response, error);
}

/** For requests that the client's types do not cover: streams, bodies that are no JSON. */
export async function problemFrom(response: Response): Promise<ApiError> {
  let body: unknown;
  try {
    body = await response.json();
  } catch {
    body = undefined;
  }
  return problemOf(response, body);
}

function problemOf(response: Response, body: unknown): ApiError {
  const problem = typeof body === 'object' && body !== null ? (body as object) : {};
  return new ApiError(response.status, { request_id: response.headers.get('X-Request-ID') ?? undefined, ...problem });
}
