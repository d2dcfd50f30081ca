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
  const how = plan && !batch ? plan.body : options;
  return {
    filename: item.path,
    filetype: item.file.type || 'application/octet-stream',
    ...(how.decoder ? { decoder: how.decoder } : {}),
    ...(batch ? { batch } : {}),
    ...Object.fromEntries(Object.entries(how.params ?? {}).map(([name, value]) => ['param.' + name, String(value)])),
  };
}

/**
 * Makes the batch of a plan, of the first of its files: the others join it as they come. Should its answer be lost, asking
 * again gives the same batch.
 */
export async function makeBatch(plan: BatchPlan, file: string, ask: typeof fetch = fetch): Promise<void> {
  const response = await ask('/api/v1/batches', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': `${plan.key}-${file}` },
    body: JSON.stringify({ ...plan.body, file_ids: [file] }),
  });
  if (!response.ok) throw await problemFrom(response);
  plan.batch = ((await response.json()) as { id: string }).id;
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
