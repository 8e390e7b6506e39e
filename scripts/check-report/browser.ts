/**
 * The system's Chromium, which this repository does not bring along, with the network off and everything it complains
 * about collected.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { ScriptFailure } from '../run.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'] as const

/** @throws ScriptFailure when there is none, or it cannot be started */
export async function startBrowser(): Promise<Browser> {
  const path = process.env['CHROMIUM'] ?? findChromium()
  if (path === undefined) {
    throw new ScriptFailure(
      `there is no Chromium (${NAMES.join(', ')}) in PATH; install the Debian package chromium, or set CHROMIUM to one`,
    )
  }
  try {
    // In a container its own sandbox cannot be had; all it opens are pages that were just written here.
    return await chromium.launch({ executablePath: path, args: ['--no-sandbox'] })
  } catch (error) {
    throw new ScriptFailure(`${path} cannot be started: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function findChromium(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    // Not there, or not ours to run: the next one may be.
    return false
  }
}

/** @param complaints  gets a line for each error, message of the console and request beyond the page itself */
export async function openPage(
  browser: Browser,
  url: string,
  complaints: string[],
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  page.on('console', (message) => complaints.push(`console: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    const asked = request.url().split('#')[0]
    if (asked !== url && asked?.startsWith('data:') !== true) complaints.push(`request: ${asked}`)
  })
  await page.goto(url)
  return page
}
