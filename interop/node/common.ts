/** Options, results and the loops that both Node peers need. */

export type Options = Record<string, string>

export const WAIT_MS = 30_000
/** After the records that are due: time for one that is not due to show up. */
export const EXTRA_MS = 400

const state = { failures: 0 }

function parse(args: readonly string[]): Options {
  const options: Options = {}
  for (let i = 0; i + 1 < args.length; i += 2) options[(args[i] ?? '').replace(/^--/, '')] = args[i + 1] ?? ''
  return options
}

export function text(options: Options, name: string): string {
  const value = options[name]
  if (value === undefined) throw new Error(`missing --${name}`)
  return value
}

export function emit(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

export function log(...words: unknown[]): void {
  console.error(...words)
}

/** Runs one check and prints its outcome; a failed one does not stop the others. */
export async function check(name: string, body: () => Promise<void>): Promise<void> {
  const startedMs = Date.now()
  try {
    await body()
    emit({ check: name, ok: true, ms: Date.now() - startedMs })
  } catch (error) {
    state.failures++
    log(error)
    emit({ check: name, ok: false, ms: Date.now() - startedMs, detail: String(error) })
  }
}

/** A check that this client cannot make. */
export function limit(name: string, reason: string): void {
  emit({ check: name, limit: reason })
}

export function expect(actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected))
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`)
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export async function waitUntil(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + WAIT_MS
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`not in time: ${what}`)
    await sleep(20)
  }
}

/** The next line on stdin, or undefined when there is none. */
export function inputLine(): Promise<string | undefined> {
  return new Promise((resolve) => {
    process.stdin.once('data', (data) => resolve(String(data)))
    process.stdin.once('end', () => resolve(undefined))
  })
}

export interface Received {
  topic: string
  partition: number
  offset: number
  key: string | null
  value: string | null
  headers: [string, string | null][]
}

/** What a read writes: one JSON object a record. */
export function readBackLine(record: Received): string {
  const fate = record.headers.find(([name]) => name === 'fate')?.[1] ?? null
  return `${JSON.stringify({ t: record.topic, p: record.partition, o: record.offset, k: record.key, v: record.value, f: fate })}\n`
}

/** Distinct values in the order of their first appearance. */
export function distinct(records: readonly Received[], partition?: number): (string | null)[] {
  return [
    ...new Set(
      records
        .filter((record) => partition === undefined || record.partition === partition)
        .map((record) => record.value),
    ),
  ]
}

export async function main(commands: Record<string, (options: Options) => Promise<void>>): Promise<never> {
  const [name = '', ...args] = process.argv.slice(2)
  const command = commands[name]
  if (command === undefined) {
    log(`commands: ${Object.keys(commands).join(' ')}`)
    process.exit(2)
  }
  try {
    await command(parse(args))
  } catch (error) {
    log(error)
    process.exit(1)
  }
  process.exit(state.failures === 0 ? 0 : 1)
}
