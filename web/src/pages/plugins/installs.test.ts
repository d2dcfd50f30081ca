import { expect, test, vi } from 'vitest';
import type { Plugin } from '../../api/types';
import { Installs } from './installs.svelte';

class FakeRequest {
  static made: FakeRequest[] = [];
  upload: { onprogress?: (e: { loaded: number; total: number }) => void; onload?: () => void } = {};
  onload?: () => void;
  onerror?: () => void;
  status = 0;
  responseText = '';
  aborted = false;
  constructor() {
    FakeRequest.made.push(this);
  }
  open() {}
  setRequestHeader() {}
  getResponseHeader = () => 'r1';
  send() {}
  abort() {
    this.aborted = true;
  }
  answer(status: number, body: unknown) {
    this.status = status;
    this.responseText = typeof body === 'string' ? body : JSON.stringify(body);
    this.onload?.();
  }
}

function start(...names: string[]) {
  FakeRequest.made = [];
  const changed = vi.fn();
  const installs = new Installs(changed, '/x', () => new FakeRequest() as unknown as XMLHttpRequest);
  installs.add(names.map((n) => new File(['x'], n)));
  return { installs, changed };
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test('one at a time; the answer stands, and the list tells how it ends', async () => {
  const { installs, changed } = start('a.wasm', 'b.wasm');
  await settled();
  expect(FakeRequest.made).toHaveLength(1);
  const [first] = FakeRequest.made;
  first!.upload.onprogress?.({ loaded: 1, total: 4 });
  expect(installs.list[0]!.progress).toBe(0.25);
  first!.upload.onload?.();
  expect(installs.list[0]!.stage).toBe('checking');
  first!.answer(201, { id: 'a', sha256: 's', state: 'compiling', reason: null });
  await settled();
  expect(changed).toHaveBeenCalledOnce();
  expect(FakeRequest.made).toHaveLength(2);
  installs.follow([
    { id: 'a', sha256: 'other', others: [{ sha256: 's', state: 'rejected', reason: 'why' }] } as Plugin,
  ]);
  expect(installs.list[0]!.module).toMatchObject({ state: 'rejected', reason: 'why' });
});

test('what is no module says so with its request; what hangs can be given up', async () => {
  const { installs } = start('a.wasm', 'b.wasm');
  await settled();
  FakeRequest.made[0]!.answer(422, { code: 'validation_failed', detail: 'not a WebAssembly module' });
  await settled();
  expect(installs.list[0]!.error).toMatchObject({ status: 422, message: 'not a WebAssembly module', requestId: 'r1' });
  installs.drop(installs.list[1]!);
  expect(FakeRequest.made[1]!.aborted).toBe(true);
  expect(installs.list).toHaveLength(1);
});

test('one that was dropped before its turn is never sent', async () => {
  const { installs } = start('a.wasm', 'b.wasm');
  await settled();
  installs.drop(installs.list[1]!);
  FakeRequest.made[0]!.onerror?.();
  await settled();
  expect(installs.list[0]!.error?.offline).toBe(true);
  expect(FakeRequest.made).toHaveLength(1);
});
