/** What a case is given, and the few steps several cases share. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Broker } from '../brokers.ts'
import { type Arguments, type Client, clients, start } from '../clients.ts'
import { cacheDirectory } from '../paths.ts'
import { javaHost } from '../java-host.ts'
import type { Line, Program, ProgramOptions } from '../programs.ts'
import type { Report, Result } from '../report.ts'

export interface RunOptions {
  invoices: number | 'all'
  /** Kills during the load of the first client; the others get `fewKills`. */
  kills: number
  fewKills: number
}

export interface Context {
  broker: Broker
  client: Client
  report: Report
  options: RunOptions
  /** Topic names and ids of this case start with it. */
  prefix: string
  /** Where the outcome's capability name starts, e.g. "tv1/". */
  label: string
}

/** The Java client prepares topics and reads for the verdict of clients that are not trusted to. */
export const helper: Client = clients.find((client) => client.name === 'java') as Client

export class CaseError extends Error {
  readonly programs: readonly Program[]

  constructor(message: string, ...programs: Program[]) {
    super(message)
    this.programs = programs
  }
}

/** Starts a program of the client under test, at this case's broker. */
export function begin(context: Context, command: string, args: Arguments, more: Partial<ProgramOptions> = {}): Program {
  return start(context.client, command, { bootstrap: context.broker.address, ...args }, more)
}

/** Runs a program to its end and throws unless it exits with 0. */
export async function complete(
  context: Context,
  client: Client,
  command: string,
  args: Arguments,
  timeoutMs: number,
): Promise<Program> {
  const program = start(client, command, { bootstrap: context.broker.address, ...args })
  const code = await program.finish(timeoutMs)
  if (code !== 0) throw new CaseError(`${program.name} ended with ${code}`, program)
  return program
}

/** Runs a command of the Java peer in the JVM that is kept for that, and returns the lines it printed. */
export async function help(context: Context, command: string, args: Arguments): Promise<Line[]> {
  const options = Object.entries({ bootstrap: context.broker.address, ...args }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ])
  const { exit, out, err } = await javaHost.call('semel.interop.Main', [command, ...options])
  if (exit !== 0) throw new CaseError(`java ${command} ended with ${exit}: ${err.slice(0, 1_000)}`)
  return out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
}

/** Values of a topic as a committed reader of the Java client sees them. */
export async function committedValues(context: Context, topic: string): Promise<{ v: string; f: string | null }[]> {
  const out = join(cacheDirectory, `${context.prefix}values.ndjson`)
  await help(context, 'read', { topics: topic, isolation: 'read_committed', out })
  const text = readFileSync(out, 'utf8').trimEnd()
  rmSync(out)
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as { v: string; f: string | null })
}

/** Runs one capability and records its outcome; a failure is printed with the last log lines of client and broker. */
export async function capability(
  context: Context,
  name: string,
  body: () => Promise<string | undefined>,
): Promise<void> {
  const startedMs = Date.now()
  let result: Result = 'pass'
  let detail: string | undefined
  try {
    detail = await body()
  } catch (error) {
    result = 'fail'
    detail = error instanceof Error ? error.message : String(error)
    printTails(context, error instanceof CaseError ? error.programs : [])
  }
  record(context, name, result, (Date.now() - startedMs) / 1_000, detail)
}

export function record(context: Context, name: string, result: Result, seconds: number, detail?: string): void {
  const capabilityName = `${context.label}${name}`
  context.report.add({
    client: context.client.name,
    capability: capabilityName,
    result,
    seconds,
    ...(detail === undefined ? {} : { detail }),
  })
  console.log(
    `${result.padEnd(7)} ${context.client.name} ${capabilityName} ${seconds.toFixed(1)}s${detail === undefined ? '' : `  ${detail}`}`,
  )
}

export function printTails(context: Context, programs: readonly Program[]): void {
  for (const program of programs) console.log(indent(`last lines of ${program.name}`, program.tail))
  console.log(indent('last lines of the broker', context.broker.tail))
}

const indent = (title: string, lines: readonly string[]): string =>
  [`  ${title}:`, ...lines.map((line) => `  | ${line}`)].join('\n')
