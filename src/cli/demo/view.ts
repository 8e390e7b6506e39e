/**
 * What a person sees while the demonstration runs: on a terminal a few lines that are drawn anew, elsewhere one line for each
 * thing that happens. Owns the layout; knows nothing of Kafka.
 */
import { styleText } from 'node:util'
import type { Clock, Timer } from '../../base/runtime.ts'

export interface Progress {
  readonly title: string
  readonly done: number
  readonly total: number
  readonly unit: string
  readonly perSecond: number
  readonly notes: readonly string[]
}

const REDRAW_MS = 150
const BAR_WIDTH = 32
const NEWS_SHOWN = 5
const PLAIN_PROGRESS_MS = 2_000

export class View {
  readonly #clock: Clock
  readonly #out: NodeJS.WriteStream
  readonly #isLive: boolean
  readonly #startedMs: number
  #progress: (() => Progress) | undefined
  #news: string[] = []
  #drawnLines = 0
  #timer: Timer | undefined
  #lastPlainMs = 0

  constructor(clock: Clock, out: NodeJS.WriteStream = process.stdout) {
    this.#clock = clock
    this.#out = out
    this.#isLive = out.isTTY === true
    this.#startedMs = clock.monotonicMs()
  }

  style(format: Parameters<typeof styleText>[0], text: string): string {
    return this.#isLive ? styleText(format, text) : text
  }

  /** A line that stays. */
  say(text = ''): void {
    this.#erase()
    this.#out.write(`${text}\n`)
    this.#draw()
  }

  /** Something that happened. */
  event(text: string): void {
    const line = `${this.#stamp()}  ${text}`
    if (!this.#isLive) {
      this.#out.write(`${line}\n`)
      return
    }
    this.#news = [...this.#news, line].slice(-NEWS_SHOWN)
    this.#redraw()
  }

  /** Shows a bar until `stopFollowing`. */
  follow(progress: () => Progress): void {
    this.#progress = progress
    this.#news = []
    this.#tick()
  }

  stopFollowing(): void {
    this.#timer?.cancel()
    this.#erase()
    this.#progress = undefined
  }

  #tick(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(this.#isLive ? REDRAW_MS : PLAIN_PROGRESS_MS, () => this.#tick())
    if (this.#isLive) this.#redraw()
    else this.#plain()
  }

  #plain(): void {
    const progress = this.#progress?.()
    const nowMs = this.#clock.monotonicMs()
    if (progress === undefined || progress.done === 0 || nowMs - this.#lastPlainMs < PLAIN_PROGRESS_MS / 2) return
    this.#lastPlainMs = nowMs
    const { title, done, total, unit, perSecond } = progress
    this.#out.write(`${this.#stamp()}  ${title}: ${done} of ${total} ${unit}, ${Math.round(perSecond)} a second\n`)
  }

  #stamp(): string {
    return `${((this.#clock.monotonicMs() - this.#startedMs) / 1_000).toFixed(1).padStart(6)} s`
  }

  #redraw(): void {
    this.#erase()
    this.#draw()
  }

  #draw(): void {
    if (!this.#isLive || this.#progress === undefined) return
    const { title, done, total, unit, perSecond, notes } = this.#progress()
    const share = total === 0 ? 0 : Math.min(1, done / total)
    const filled = Math.round(share * BAR_WIDTH)
    const bar = `${styleText('green', '█'.repeat(filled))}${styleText('dim', '░'.repeat(BAR_WIDTH - filled))}`
    const width = Math.max(40, (this.#out.columns ?? 100) - 1)
    const lines = [
      `${styleText('bold', title)}  ${bar}  ${Math.round(share * 100)} %  ${done} of ${total} ${unit}  ${Math.round(perSecond)}/s`,
      ...notes.map((note) => `  ${note}`),
      ...this.#news.map((line) => styleText('dim', line.slice(0, width))),
    ]
    this.#out.write(`${lines.join('\n')}\n`)
    this.#drawnLines = lines.length
  }

  #erase(): void {
    if (this.#drawnLines === 0) return
    // Up, and clear to the end of the screen.
    this.#out.write(`\u001b[${this.#drawnLines}A\u001b[0J`)
    this.#drawnLines = 0
  }
}
