// The built appliance on a data folder and a port that stay the same over its restarts.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'

async function freePort() {
  const s = createServer()
  await new Promise((resolve) => s.listen(0, '127.0.0.1', resolve))
  const { port } = s.address()
  await new Promise((resolve) => s.close(resolve))
  return port
}

export async function open(bin, dir) {
  const port = await freePort()
  const a = { url: `http://127.0.0.1:${port}`, process: null }
  a.start = () =>
    new Promise((resolve, reject) => {
      a.process = spawn(bin, ['serve', '--data-dir', dir, '--listen', `127.0.0.1:${port}`, '--kv-listen', 'off'], {
        stdio: ['ignore', 'ignore', 'pipe'],
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
