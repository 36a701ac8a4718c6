// Takes screenshots of each page into the folder screenshots, in light and dark mode, wide and narrow.
import { mkdirSync, rmSync } from 'node:fs'

import { program, Site, startBrowser } from './site.mjs'
import { visit } from './tour.mjs'

rmSync('screenshots', { recursive: true, force: true })
mkdirSync('screenshots')
const browser = await startBrowser()
const latchkey = program()
try {
  for (const width of [1280, 390, 320]) {
    await visit(
      (settings) => Site.open(browser, latchkey, settings),
      { width, height: 800 },
      async (page, name) => {
        for (const colorScheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme })
          await page.screenshot({ path: `screenshots/${name}-${width}-${colorScheme}.png`, fullPage: true })
        }
      },
    )
  }
} finally {
  await browser.close()
}
