import { data, type Api } from '../api/client';

export interface Suggestion {
  kind: 'page' | 'file' | 'job';
  href: string;
  text: string;
  note: string;
}

const each = 5;

/** Pages whose name begins a word with the text, files by name, and jobs by id, payload and error. */
export async function suggest(
  api: Api,
  text: string,
  pages: readonly { href: string; text: string }[],
  signal: AbortSignal,
): Promise<Suggestion[]> {
  const lower = text.toLowerCase();
  const named = pages
    .filter((p) => p.text.toLowerCase().startsWith(lower))
    .map((p): Suggestion => ({ kind: 'page', href: p.href, text: p.text, note: '' }));
  const files = data(api.GET('/files', { params: { query: { name: text, limit: each } }, signal })).then((answer) =>
    answer.items.map((f): Suggestion => ({
      kind: 'file',
      href: `/files/${encodeURIComponent(f.id)}`,
      text: f.name,
      note: f.id,
    })),
  );
  const query = /^j[0-9a-z]{6,}$/i.test(text) ? { ids: [text], limit: each } : { q: text, limit: each };
  const jobs = data(api.GET('/jobs', { params: { query }, signal })).then((answer) =>
    answer.items.map((j): Suggestion => ({
      kind: 'job',
      href: `/jobs?job=${encodeURIComponent(j.id)}`,
      text: `${j.type} ${j.id}`,
      note: `${j.queue} · ${j.status}`,
    })),
  );
  // What one of them cannot answer leaves the other's.
  const [f, j] = await Promise.allSettled([files, jobs]);
  return [...named, ...(f.status === 'fulfilled' ? f.value : []), ...(j.status === 'fulfilled' ? j.value : [])];
}
