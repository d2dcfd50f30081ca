// How what the appliance says needs somebody looks, and where one goes to see to it.

import type { components } from '../../api/schema';
import type { StateName } from '../../ui/State.svelte';

export type Need = components['schemas']['Need'];

export function lookOf(n: Need): StateName {
  if (n.kind === 'dead_jobs') return 'dead';
  if (n.kind === 'decode') return n.level === 'critical' ? 'failed' : 'partial';
  if (n.kind === 'plugin') return 'partial';
  return n.level === 'critical' ? 'error' : 'warning';
}

export function hrefOf(n: Need): string {
  switch (n.kind) {
    case 'dead_jobs':
      return `/jobs?state=dead&queue=${encodeURIComponent(n.subject)}`;
    case 'decode':
      return `/files/${n.file_id ?? ''}`;
    case 'plugin':
      return '/plugins?plugin=' + encodeURIComponent(n.subject);
    case 'alert':
    case 'health':
      return '/monitor';
  }
}
