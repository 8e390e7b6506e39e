/**
 * `npm run check:report`: makes reports of runs and has a browser show them: what is drawn is what the history holds,
 * nothing is fetched, nothing complains, and it answers to keyboard, wheel and drag. Pictures are left in a folder that
 * it names. Needs the system's Chromium.
 *
 * Where `dist/` was built, its report is looked at too: the page's script is made of functions as they are there.
 */
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { placeExamples } from '../src/verify/report/finding-places.ts'
import { renderReport } from '../src/verify/report/render-report.ts'
import { openPage, startBrowser } from './check-report/browser.ts'
import { stories, type Story } from './check-report/stories.ts'
import { main, root, ScriptFailure } from './run.ts'

const PAGE_BYTES_MAX = 5_000_000
/** On a machine with nothing else to do it is below 2 s. */
const OPEN_MS_MAX = 6_000
const BUILT = join(root, 'dist/verify/report/render-report.js')

await main(async () => {
  const browser = await startBrowser()
  const folder = mkdtempSync(join(tmpdir(), 'semel-report-'))
  try {
    for await (const story of stories()) {
      await checkStory(browser, folder, story, renderReport(story.history, story.verdict))
      if (story.name !== 'spoiled') continue
      const built = await builtReport(story)
      if (built === undefined) console.log('dist/ is missing: its report is not looked at')
      else await checkStory(browser, folder, { ...story, name: 'spoiled-built' }, built)
    }
  } finally {
    await browser.close()
  }
  console.log(`pictures are in ${folder}`)
})

async function builtReport({ history, verdict }: Story): Promise<string | undefined> {
  if (!existsSync(BUILT)) return undefined
  const built = (await import(pathToFileURL(BUILT).href)) as { readonly renderReport: typeof renderReport }
  return built.renderReport(history, verdict)
}

async function checkStory(browser: Browser, folder: string, story: Story, text: string): Promise<void> {
  const { name } = story
  mkdirSync(join(folder, name))
  const path = join(folder, name, 'report.html')
  writeFileSync(path, text)
  const bytes = Buffer.byteLength(text)
  expect(`${name}: size in bytes at most ${PAGE_BYTES_MAX}`, bytes <= PAGE_BYTES_MAX, bytes)
  const url = pathToFileURL(path).href
  const complaints: string[] = []
  const picture = (page: Page, shown: string): Promise<unknown> =>
    page.screenshot({ path: join(folder, name, `${shown}.png`), fullPage: true })

  const bare = await openPage(browser, url, complaints, { javaScriptEnabled: false })
  await expectCounts(bare, story, 'without script')
  await bare.context().close()

  const startedMs = performance.now()
  const page = await openPage(browser, url, complaints)
  await page.waitForSelector('html[data-script]')
  const openMs = Math.round(performance.now() - startedMs)
  expect(`${name}: open after at most ${OPEN_MS_MAX} ms`, openMs <= OPEN_MS_MAX, openMs)
  await expectCounts(page, story, 'with script')
  await picture(page, 'light')
  await useKeyboard(page, name)
  await picture(page, 'zoomed')
  await useMouse(page, name)
  if (placedCount(story) > 0) await followFinding(page, name)
  expect(`${name}: no markup from the history`, (await page.locator('img').count()) === 0)
  await page.pdf({ path: join(folder, name, 'print.pdf'), preferCSSPageSize: true })
  await page.context().close()

  const dark = await openPage(browser, url, complaints, { colorScheme: 'dark' })
  await picture(dark, 'dark')
  await dark.context().close()

  const narrow = await openPage(browser, url, complaints, { viewport: { width: 400, height: 800 } })
  const overflow = Number(await narrow.evaluate('document.documentElement.scrollWidth - innerWidth'))
  expect(`${name}: fits into a narrow window`, overflow <= 0, overflow)
  await picture(narrow, 'narrow')
  await narrow.context().close()

  expect(`${name}: nothing complains`, complaints.length === 0, complaints.join('\n'))
  const found = story.verdict.anomalies.map(({ code }) => code).join(' ')
  console.log(`${name}: ${bytes} bytes, open after ${openMs} ms, findings: ${found === '' ? 'none' : found}`)
}

/** What is drawn of the whole run stands for as many rows as the history has. */
async function expectCounts(page: Page, story: Story, how: string): Promise<void> {
  const { name, history } = story
  const { fault, transactionBegun, sendInvoked, read, phase, processStarted } = history.tables
  const processes = new Set(processStarted.process.subarray(0, processStarted.length))
  const wanted = {
    '.mark.finding': placedCount(story),
    '.mark.phase': phase.length + 1,
    '.mark.fault': fault.length,
    '.mark.transaction': transactionBegun.length,
    '.mark.process': processes.size,
    '.track .sends': sendInvoked.length,
    '.track .reads': read.length,
  }
  for (const [selector, count] of Object.entries(wanted)) {
    const sum = `[...document.querySelectorAll('${selector}')].reduce((sum, one) => sum + Number(one.dataset.count), 0)`
    const drawn = Number(await countedBy(page, selector, sum))
    expect(`${name}, ${how}: ${selector} stands for ${count}`, drawn === count, drawn)
  }
}

/** Examples with a time, which have a mark on the timeline. */
function placedCount({ verdict }: Story): number {
  return placeExamples(verdict).filter(({ mark }) => mark !== undefined).length
}

/** Also of a page that may not run scripts: the question is asked from outside. */
async function countedBy(page: Page, selector: string, script: string): Promise<number> {
  try {
    return Number(await page.evaluate(script))
  } catch {
    const counts = await page.locator(selector).all()
    const texts = await Promise.all(counts.map((one) => one.getAttribute('data-count')))
    return texts.reduce((sum, text) => sum + Number(text), 0)
  }
}

async function useKeyboard(page: Page, name: string): Promise<void> {
  const shown = (): Promise<string | null> => page.locator('#timeline-window').textContent()
  const press = async (...keys: readonly string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key)
    await nextFrame(page)
  }
  const whole = await drawing(page)
  await page.locator('#timeline').focus()
  const before = await shown()
  await press('+', '+', '+')
  const zoomed = await shown()
  expect(`${name}: + zooms in`, zoomed !== before && (await isZoomed(page)), zoomed)
  await press('ArrowRight')
  expect(`${name}: an arrow moves`, (await shown()) !== zoomed, zoomed)
  await press('0')
  expect(`${name}: 0 shows the whole run as before`, (await drawing(page)) === whole)
  await press('n', 'n')
  const label = await page.locator('.mark:focus').getAttribute('aria-label')
  expect(`${name}: n goes to a mark and says what it is`, (await page.locator('#tip').textContent()) === label, label)
  expect(`${name}: its words are seen`, await page.locator('#tip').isVisible())
  await press('ArrowDown', '+', '+')
  expect(`${name}: the focus stays at its mark while zooming`, (await page.locator('.mark:focus').count()) === 1)
}

async function useMouse(page: Page, name: string): Promise<void> {
  await page.locator('#whole').click()
  await nextFrame(page)
  const box = await page.locator('.group-transactions svg.track, .group-processes svg.track').first().boundingBox()
  if (box === null) throw new ScriptFailure(`${name}: no lane is shown`)
  await page.locator('.group-transactions svg.track, .group-processes svg.track').first().scrollIntoViewIfNeeded()
  const track = page.locator('.group-transactions svg.track, .group-processes svg.track').first()
  await track.hover({ position: { x: box.width / 2, y: 3 } })
  await page.keyboard.down('Control')
  await page.mouse.wheel(0, -600)
  await page.keyboard.up('Control')
  await nextFrame(page)
  expect(`${name}: Ctrl and wheel zoom`, await isZoomed(page))
  const before = await page.locator('#timeline-window').textContent()
  await page.mouse.down()
  await page.mouse.move(box.x + box.width / 4, box.y, { steps: 4 })
  await page.mouse.up()
  await nextFrame(page)
  expect(`${name}: dragging moves`, (await page.locator('#timeline-window').textContent()) !== before, before)
}

/** From a mark to its finding by Enter, and from there back. */
async function followFinding(page: Page, name: string): Promise<void> {
  await page.locator('#whole').click()
  await nextFrame(page)
  const mark = page.locator('a.mark.finding').last()
  const href = await mark.getAttribute('href')
  await mark.focus()
  await page.keyboard.press('Enter')
  await nextFrame(page)
  const isThere = Boolean(
    await page.evaluate(`new Promise((resolve) => setTimeout(() => {
      const { top, bottom } = document.querySelector('${href}').getBoundingClientRect()
      resolve(location.hash === '${href}' && document.querySelector('${href}').open && top < innerHeight && bottom > 0)
    }, 1500))`),
  )
  expect(`${name}: the mark of a finding leads to it and opens it`, isThere, href)
  const back = page.locator(`${href} a.jump`)
  const wanted = await back.getAttribute('data-mark')
  await back.focus()
  await page.keyboard.press('Enter')
  await nextFrame(page)
  await nextFrame(page)
  const focused = page.locator('a.mark.finding:focus')
  expect(`${name}: a finding leads to its mark`, (await focused.getAttribute('data-row')) === wanted, wanted)
}

async function isZoomed(page: Page): Promise<boolean> {
  return (await page.locator('#timeline').getAttribute('data-zoomed')) === 'yes'
}

/** All that the lanes show. */
async function drawing(page: Page): Promise<string> {
  return String(await page.evaluate(`[...document.querySelectorAll('svg.track')].map((one) => one.innerHTML).join('')`))
}

async function nextFrame(page: Page): Promise<void> {
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
}

function expect(what: string, isSo: boolean, found?: unknown): void {
  if (!isSo) throw new ScriptFailure(`not so: ${what}${found === undefined ? '' : `; found: ${String(found)}`}`)
}
