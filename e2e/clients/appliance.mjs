// The built appliance on a data folder and ports that stay the same over its restarts.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'

export async function freePort() {
  const s = createServer()
  await new Promise((resolve) => s.listen(0, '127.0.0.1', resolve))
  const { port } = s.address()
  await new Promise((resolve) => s.close(resolve))
  return port
}

// open starts the appliance; with kv also its Redis-protocol server, on a.kv. env is added to its environment.
export async function open(bin, dir, { kv = false, env = {} } = {}) {
  const port = await freePort()
  const a = { url: `http://127.0.0.1:${port}`, kv: kv ? { host: '127.0.0.1', port: await freePort() } : null, process: null }
  const listen = kv ? `127.0.0.1:${a.kv.port}` : 'off'
  a.start = () =>
    new Promise((resolve, reject) => {
      a.process = spawn(bin, ['serve', '--data-dir', dir, '--listen', `127.0.0.1:${port}`, '--kv-listen', listen], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, ...env },
      })
      a.process.once('exit', (code) => reject(new Error(`the appliance ended with ${code}`)))
      a.process.stderr.on('data', (text) => {
        if (String(text).includes('ready http')) resolve()
      })
    })
  a.kill = (signal = 'SIGKILL') =>
    new Promise((resolve) => {
      a.process.removeAllListeners('exit')
      a.process.once('exit', resolve)
      a.process.kill(signal)
    })
  await a.start()
  return a
}
