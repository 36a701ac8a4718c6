import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

// serve starts a server that stops with this process, and returns its URLs and its folder, a new one by default.
export const serve = async (settings, folder = mkdtempSync(join(process.cwd(), 'served-'))) => {
  const latchkey = spawn(process.env.LATCHKEY, [], {
    cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env: { LATCHKEY_LISTEN: '127.0.0.1:0', ...settings },
  })
  process.on('exit', () => latchkey.kill())
  const graphql = await new Promise((ready, failed) => {
    createInterface({ input: latchkey.stderr }).on('line', (line) => {
      const entry = JSON.parse(line)
      if (entry.msg === 'latchkey is ready') ready(entry.graphql)
    })
    latchkey.on('exit', () => failed(new Error('the server did not start')))
  })
  latchkey.unref()
  latchkey.stderr.unref()
  return { graphql, origin: new URL(graphql).origin, folder }
}

// ask sends an operation and returns the response.
export const ask = async (graphql, query, variables, access) => {
  const headers = { 'Content-Type': 'application/json', ...(access && { Authorization: `Bearer ${access}` }) }
  const response = await fetch(graphql, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })
  return response.json()
}
