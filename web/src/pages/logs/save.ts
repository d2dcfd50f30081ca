import type { LogLine } from '../../api/types';
import type { Line } from './lines';

/** Lines as NDJSON, as the API has them. */
export function ndjson(lines: readonly Line[]): string {
  return lines
    .map(({ id, timestamp, level, logger, message, request_id, correlation_id, fields }) => {
      const line: LogLine = { id, timestamp, level, logger, message, request_id, correlation_id, fields };
      return JSON.stringify(line) + '\n';
    })
    .join('');
}

/** Has the browser save them; gives the name of the file. */
export function saveLines(lines: readonly Line[], now = new Date()): string {
  const name = `wayside-log-${now.toISOString().slice(0, 19).replaceAll(':', '')}Z.ndjson`;
  const url = URL.createObjectURL(new Blob([ndjson(lines)], { type: 'application/x-ndjson' }));
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  return name;
}
