import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { auditServer } from 'graphql-http'

const folder = mkdtempSync(join(tmpdir(), 'latchkey-'))
const latchkey = spawn(process.argv[2], [], {
  cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env: { LATCHKEY_LISTEN: '127.0.0.1:0' },
})
const url = await new Promise((ready) => {
  createInterface({ input: latchkey.stderr }).on('line', (line) => {
    const entry = JSON.parse(line)
    if (entry.msg === 'latchkey is ready') ready(entry.graphql)
  })
})

try {
  const results = await auditServer({ url })
  const passed = results.filter(({ status }) => status === 'ok')
  for (const { status, id, name, reason } of results) {
    if (status !== 'ok') console.log(`${status} ${id} ${name}: ${reason}`)
  }
  console.log(`${passed.length} of ${results.length} audits passed`)
  // The number of audits is checked too, so that none can disappear unnoticed.
  if (results.length !== 61 || passed.length !== 61) process.exitCode = 1
} finally {
  latchkey.kill()
}
