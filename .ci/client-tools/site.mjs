import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

// serve starts a server in a folder of its own and returns where it is.
export const serve = async (settings) => {
  const latchkey = spawn(process.env.LATCHKEY, [], {
    cwd: mkdtempSync(join(process.cwd(), 'served-')), stdio: ['ignore', 'ignore', 'pipe'],
    env: { LATCHKEY_LISTEN: '127.0.0.1:0', ...settings },
  })
  const graphql = await new Promise((ready, failed) => {
    createInterface({ input: latchkey.stderr }).on('line', (line) => {
      const entry = JSON.parse(line)
      if (entry.msg === 'latchkey is ready') ready(entry.graphql)
    })
    latchkey.on('exit', () => failed(new Error('the server does not start')))
  })
  return { graphql, origin: new URL(graphql).origin, stop: () => latchkey.kill() }
}

// ask returns the answer to an operation.
export const ask = async (graphql, query, variables, access) => {
  const headers = { 'Content-Type': 'application/json', ...(access && { Authorization: `Bearer ${access}` }) }
  const response = await fetch(graphql, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })
  return response.json()
}
