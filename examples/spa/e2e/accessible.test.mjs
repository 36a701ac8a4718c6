import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import axe from 'axe-core'

import { program, Site, startBrowser } from './site.mjs'
import { visit } from './tour.mjs'

let browser, latchkey
before(async () => {
  latchkey = program()
  browser = await startBrowser()
})
after(() => browser.close())

test('every page is accessible, in light and dark mode, and fits a narrow screen', async () => {
  const found = []
  await visit(
    (settings) => Site.open(browser, latchkey, settings),
    { width: 320, height: 800 },
    async (page, name) => {
      await page.evaluate(axe.source)
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme })
        const { violations } = await page.evaluate(() => window.axe.run(document))
        for (const { id, nodes } of violations) {
          for (const node of nodes) found.push(`${name}, ${colorScheme}: ${id}: ${node.html}: ${node.failureSummary}`)
        }
      }
      const [contentWidth, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
      if (contentWidth > width) found.push(`${name}: ${contentWidth - width} pixels too wide`)
    },
  )
  assert.deepEqual(found, [])
})
