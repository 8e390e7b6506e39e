/**
 * What every command that talks to a cluster shares: where the cluster is, in which form to print, how errors are told, and how a
 * person is asked before something is lost. Results go to standard output, everything else to standard error.
 */
import { createInterface } from 'node:readline/promises'
import { styleText } from 'node:util'
import type { Logger } from '../base/runtime.ts'
import { type Admin, Kafka, KafkaError } from '../client/index.ts'
import { nodeClock } from '../runtime/clock.ts'
import { textLogger } from '../runtime/logger.ts'

export interface ClusterFlags {
  /** 'HOST:PORT,…' */
  readonly bootstrapServer: string
  readonly format: 'text' | 'json'
  readonly timeout: string
}

export interface DangerFlags {
  readonly yes?: boolean
  readonly dryRun?: boolean
}

export const EXIT_OK = 0
export const EXIT_FAILED = 1
const EXIT_USAGE = 2

/** Wrong usage that only shows once the values are looked at. */
export class UsageError extends Error {
  override name = 'UsageError'
}

const NEXT: Readonly<Record<KafkaError['recovery'], string>> = {
  retry: 'the cluster could not do it now; try again',
  refresh: 'what was known of the cluster has changed; try again',
  'abort-transaction': 'abort the transaction and do it again',
  'restart-producer': 'another producer has taken over; start anew if that is right',
  'fix-configuration': '',
}

/** Runs a command and turns what it throws into a line and an exit code. */
export async function withKafka(flags: ClusterFlags, work: (kafka: Kafka) => Promise<number | void>): Promise<number> {
  let kafka: Kafka | undefined
  try {
    kafka = new Kafka({ brokers: flags.bootstrapServer.split(','), clientId: 'semel-cli', logger: quietLogger() })
    return (await work(kafka)) ?? EXIT_OK
  } catch (error) {
    return tellError(error)
  } finally {
    await kafka?.close()
  }
}

export function withAdmin(
  flags: ClusterFlags,
  work: (admin: Admin, kafka: Kafka) => Promise<number | void>,
): Promise<number> {
  return withKafka(flags, (kafka) =>
    work(kafka.admin({ timeoutMs: wholeNumber('--timeout', flags.timeout, 1, 3_600_000) }), kafka),
  )
}

/** Warnings of the client would only say earlier and less well what the error says. */
function quietLogger(): Logger {
  return textLogger({ clock: nodeClock(), level: 'error' })
}

/** @returns the exit code */
function tellError(error: unknown): number {
  if (error instanceof UsageError) {
    say(`semel: ${error.message}`)
    return EXIT_USAGE
  }
  if (error instanceof KafkaError) {
    const isUsage = error.code === 'INVALID_OPTION' || error.code === 'INVALID_ARGUMENT'
    const next = NEXT[error.recovery]
    say(`semel: ${error.message}${next === '' ? '' : ` (${next})`}`)
    return isUsage ? EXIT_USAGE : EXIT_FAILED
  }
  say(`semel: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return EXIT_FAILED
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** One JSON document, or what `text` makes of it. */
export function show<T>(flags: Pick<ClusterFlags, 'format'>, value: T, text: (value: T) => string): void {
  print(flags.format === 'json' ? JSON.stringify(value, undefined, 2) : text(value))
}

/** Columns as wide as they need to be; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number | undefined)[])[]): string {
  const texts = rows.map((row) => row.map((cell) => (cell === undefined ? '-' : String(cell))))
  const widths = header.map((name, column) => Math.max(name.length, ...texts.map((row) => row[column]?.length ?? 0)))
  const isNumeric = header.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] !== 'string'))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        isNumeric[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [bold(line(header)), ...texts.map(line)].join('\n')
}

function bold(text: string): string {
  return process.stdout.isTTY ? styleText('bold', text) : text
}

/**
 * Before something is lost for good.
 * @param what  completes 'This will …'
 * @returns whether to go on; without a terminal and without --yes it throws UsageError
 */
export async function confirmed(what: string, { yes = false, dryRun = false }: DangerFlags): Promise<boolean> {
  if (dryRun) {
    say(`This would ${what}. Nothing was done (--dry-run).`)
    return false
  }
  if (yes) return true
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new UsageError(`this will ${what}; say --yes to do it, or --dry-run to look`)
  const question = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await question.question(`This will ${what}. Go on? [y/N] `)
  question.close()
  if (/^y(es)?$/i.test(answer.trim())) return true
  say('Nothing was done.')
  return false
}

export function wholeNumber(name: string, text: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text)
  if (/^-?\d+$/.test(text) && value >= min && value <= max) return value
  throw new UsageError(`${name} ${text}: expected a whole number from ${min} to ${max}`)
}

/** 'TOPIC:PARTITION' */
export function partitionOf(text: string): { readonly topic: string; readonly partition: number } {
  const match = /^(.+):(\d+)$/.exec(text)
  if (match === null) throw new UsageError(`${text}: expected TOPIC:PARTITION`)
  return { topic: match[1] as string, partition: Number(match[2]) }
}

/** 'TOPIC' or 'TOPIC:PARTITION' */
export function topicOrPartition(
  text: string,
): { readonly topic: string } | { readonly topic: string; readonly partition: number } {
  return /:\d+$/.test(text) ? partitionOf(text) : { topic: text }
}

/** 'KEY=VALUE' */
export function pairOf(text: string, name: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at <= 0) throw new UsageError(`${name} ${text}: expected KEY=VALUE`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** '90s', '15m', '2h', '1d' or milliseconds. */
export function durationMs(text: string, name: string): number {
  const match = /^(\d+)(ms|s|m|h|d)?$/.exec(text)
  if (match === null) throw new UsageError(`${name} ${text}: expected a duration such as 90s, 15m or 2h`)
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
  return Number(match[1]) * units[(match[2] ?? 'ms') as keyof typeof units]
}

export function timestamp(ms: number | undefined): string | undefined {
  return ms === undefined || ms < 0 ? undefined : new Date(ms).toISOString()
}
