// One upload by tus. It is fetched with the first file.
import { Upload } from 'tus-js-client';
import { problemFrom } from '../api/client';
import { ApiError } from '../api/error';
import type { BatchPlan, UploadItem, UploadOptions } from './uploads.svelte';

const endpoint = '/api/v1/uploads';
const chunk = 64 << 20; // of a request: what is sent again at most when a connection dies without a word

export interface Told {
  /** The appliance has an upload at this address. */
  begun(url: string): void;
  /** It keeps it until then, in milliseconds of Unix time. */
  expires(at: number): void;
  done(): void;
  failed(error: ApiError): void;
}

export function send(item: UploadItem, options: UploadOptions, url: string | undefined, told: Told): Upload {
  const upload = new Upload(item.file, {
    endpoint,
    uploadUrl: url ?? null,
    metadata: metadataOf(item, options),
    chunkSize: chunk,
    storeFingerprintForResuming: false, // UnfinishedList keeps what is needed, and for people to see
    retryDelays: [0, 1000, 3000, 5000],
    removeFingerprintOnSuccess: true,
    onUploadUrlAvailable: () => {
      if (upload.url) told.begun(upload.url);
    },
    onProgress: (sent) => {
      if (item.state === 'running') item.progress(sent);
    },
    onAfterResponse: (_request, response) => {
      item.fileId = response.getHeader('X-File-ID') ?? item.fileId;
      item.existing ||= response.getHeader('X-File-Existing') === 'true';
      const at = Date.parse(response.getHeader('Upload-Expires') ?? '');
      if (at) told.expires(at);
    },
    onSuccess: () => told.done(),
    onError: (e) => void fault(item.file, e).then(told.failed),
  });
  upload.start();
  return upload;
}

/** The batch says how its files are decoded; before it is made, its plan does. */
function metadataOf(item: UploadItem, options: UploadOptions): Record<string, string> {
  const { plan } = options;
  const batch = options.batch ?? plan?.batch;
  const how: Pick<UploadOptions, 'decoder'> & { params?: object } = plan && !batch && !plan.parts ? plan.body : options;
  return {
    filename: item.path,
    filetype: item.file.type || 'application/octet-stream',
    ...(plan?.parts ? { decode: 'false' } : {}),
    ...(how.decoder ? { decoder: how.decoder } : {}),
    ...(batch ? { batch } : {}),
    ...Object.fromEntries(Object.entries(how.params ?? {}).map(([name, value]) => ['param.' + name, String(value)])),
  };
}

/**
 * Makes the batch of a plan of the first of its files, which the others join as they come, or of all of them once they are
 * there. `keep` is called when the plan knows more, which has to outlive the page.
 */
export async function settle(
  item: UploadItem,
  { plan, part = 0 }: UploadOptions,
  keep: () => void,
  ask: typeof fetch = fetch,
): Promise<void> {
  if (!plan || plan.batch) return;
  if (!item.fileId) throw new ApiError(0, {});
  if (plan.parts) {
    if (!item.existing && plan.parts[part] === null) (plan.fresh ??= []).push(item.fileId);
    plan.parts[part] = item.fileId;
    keep();
    if (plan.parts.includes(null)) return;
  }
  await makeBatch(plan, item.fileId, ask);
  keep();
}

/** Should its answer be lost, asking again gives the same batch. */
export async function makeBatch(plan: BatchPlan, file: string, ask: typeof fetch = fetch): Promise<void> {
  const response = await ask('/api/v1/batches', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': `${plan.key}-${file}` },
    body: JSON.stringify({ ...plan.body, ...(plan.archive ? { archive: file } : { file_ids: plan.parts ?? [file] }) }),
  });
  if (!response.ok) throw await problemFrom(response);
  plan.batch = ((await response.json()) as { id: string }).id;
}

/**
 * Removes files that were stored as parts of a batch alone, and that nobody has decoded since. Where that is not allowed, or
 * the page goes meanwhile, they stay among the files.
 */
export async function tidy(parts: readonly string[], ask: typeof fetch = fetch): Promise<void> {
  for (const id of new Set(parts)) {
    try {
      const path = '/api/v1/files/' + id;
      const response = await ask(path);
      if (!response.ok || ((await response.json()) as { decodes: string[] }).decodes.length > 0) continue;
      await ask(path, { method: 'DELETE', headers: { 'If-Match': response.headers.get('ETag') ?? '""' } });
    } catch {
      return; // no connection
    }
  }
}

/** Why an upload ended. Of a file that can no longer be read the browser says only that there was no connection. */
async function fault(file: File, e: unknown): Promise<ApiError> {
  const response = (e as { originalResponse?: { getStatus(): number; getBody(): string } | null }).originalResponse;
  if (response) {
    try {
      return new ApiError(response.getStatus(), JSON.parse(response.getBody()) as object);
    } catch {
      return new ApiError(response.getStatus(), {});
    }
  }
  try {
    await file.slice(0, 1).arrayBuffer();
    return new ApiError(0, {});
  } catch {
    return new ApiError(-1, { code: 'changed' });
  }
}
