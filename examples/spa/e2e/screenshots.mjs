// Pictures of each page, light and dark, wide and narrow, in the folder screenshots.
import { mkdirSync, rmSync } from 'node:fs'

import { program, Site, startBrowser } from './site.mjs'
import { visit } from './tour.mjs'

rmSync('screenshots', { recursive: true, force: true })
mkdirSync('screenshots')
const browser = await startBrowser()
const latchkey = program()
try {
  for (const width of [1280, 390]) {
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
