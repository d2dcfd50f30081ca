// A running appliance of the built binary, on a free port and a data folder of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { binary } from './paths.mjs';

const readyWait = 60_000; // ms; generous, since a shared machine may be slow
const logLines = 400; // kept of what it printed

export class Appliance {
  /** Starts one; the test ends it, and its folder with it. `args` are further arguments of `wayside serve`. */
  static async start(t, { args = [], env = {} } = {}) {
    const a = new Appliance(args, env);
    t.after(() => a.end());
    await a.run('127.0.0.1:0');
    return a;
  }

  constructor(args, env) {
    this.args = args;
    this.env = env;
    this.dir = mkdtempSync(join(tmpdir(), 'wayside-e2e-web-'));
    this.log = [];
    this.token = '';
  }

  async run(listen) {
    const args = ['serve', '--data-dir', this.dir, '--listen', listen, '--kv-listen', '127.0.0.1:0', ...this.args];
    const child = spawn(binary, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, WAYSIDE_LOG_LEVEL: 'info', ...this.env },
    });
    this.child = child;
    this.ended = once(child, 'exit');
    createInterface({ input: child.stdout }).on('line', (line) => this.note(line));
    this.url = await new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error('the appliance is not ready in a minute\n' + this.tail())),
        readyWait,
      );
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.note(line);
        if (!line.startsWith('ready ')) return;
        clearTimeout(late);
        resolve(line.slice('ready '.length).trim());
      });
      child.on('exit', (code) => {
        clearTimeout(late);
        reject(new Error(`the appliance ended with ${code}\n${this.tail()}`));
      });
    });
  }

  /** Ends it as a power cut would, as far as a process can see. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  running() {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Starts it again on the same address and folder. */
  async again() {
    await this.run(new URL(this.url).host);
  }

  async end() {
    if (this.running()) await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** The token that the first start with auth.required writes. */
  adminToken() {
    return readFileSync(join(this.dir, 'secrets', 'admin-token'), 'utf8').trim();
  }

  /** A request to the API: its answer as JSON, or as text where it is none. */
  async api(method, path, body) {
    const headers = this.token ? { authorization: 'Bearer ' + this.token } : {};
    const raw = body instanceof Uint8Array;
    if (body !== undefined) headers['content-type'] = raw ? 'application/octet-stream' : 'application/json';
    const answer = await fetch(this.url + '/api/v1' + path, {
      method,
      headers,
      body: body === undefined || raw ? body : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
    return /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text;
  }

  /** Stores a recording and waits for its decode. */
  async upload(name, bytes, query = '') {
    const up = await this.api('POST', `/files?wait=30&name=${encodeURIComponent(name)}${query}`, bytes);
    let decode = up.decode;
    while (decode && (decode.status === 'queued' || decode.status === 'running')) {
      decode = await this.api('GET', `/decodes/${decode.id}?wait=30`);
    }
    return { file: up.file, decode };
  }

  note(line) {
    this.log.push(line);
    if (this.log.length > logLines) this.log.shift();
  }

  tail() {
    return this.log.slice(-30).join('\n');
  }
}
