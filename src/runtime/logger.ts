/**
 * Log lines as text: `2026-01-31T12:00:00.000Z warn  message key=value key="two words"`.
 *
 * Owns the layout and the threshold; where a line goes is a function, standard error unless told otherwise.
 */

import type { Clock, LogFields, Logger } from '../base/runtime.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 }

export interface TextLoggerOptions {
  /** Lines below this level are dropped. */
  readonly level?: LogLevel
  readonly clock: Pick<Clock, 'nowMs'>
  /** Takes one line with its newline. */
  readonly write?: (line: string) => void
}

export function textLogger({ level = 'info', clock, write = writeToStderr }: TextLoggerOptions): Logger {
  const lineAt = (lineLevel: Exclude<LogLevel, 'silent'>): Logger['info'] => {
    if (SEVERITY[lineLevel] < SEVERITY[level]) return ignore
    const label = lineLevel.padEnd(5)
    return (message, fields) =>
      write(
        `${new Date(clock.nowMs()).toISOString()} ${label} ${message}${fields === undefined ? '' : render(fields)}\n`,
      )
  }
  return { debug: lineAt('debug'), info: lineAt('info'), warn: lineAt('warn'), error: lineAt('error') }
}

/** Says nothing. For tests and for hosts that listen to the events instead. */
export const silentLogger: Logger = Object.freeze({ debug: ignore, info: ignore, warn: ignore, error: ignore })

function ignore(): void {}

function writeToStderr(line: string): void {
  process.stderr.write(line)
}

function render(fields: LogFields): string {
  let text = ''
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${renderValue(value)}`
  }
  return text
}

function renderValue(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message)
  if (typeof value === 'string') return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // A cycle or a throwing getter in what somebody logs must not become the failure they see.
    return '"(not printable)"'
  }
}
