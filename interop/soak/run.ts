/**
 * Workloads on real processes that are killed: `npm run soak`.
 *
 *   node interop/soak/run.ts [--minutes M] [--target semel|kafka|kafka3] [--workload NAME,…] [--round SECONDS] [--rate N] [--seed N]
 *                            [--faults all|none] [--json FILE]
 *   node interop/soak/run.ts --syscalls N [--seed N]
 *
 * The first form runs round after round for M minutes, each a workload with a history of its own, on the same brokers. Every few
 * seconds a broker is killed or stopped, every part is killed about every 30 s, clients stand still longer than their sessions
 * last. The second kills or fails the broker at N single system calls. Exit code 0: nothing found, 3: anomalies, 1: it could not be
 * run to its end. What was written is kept when anything was found.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { failureCount, formatVerdict, WORKLOADS } from '../../src/verify/index.ts'
import { Target, TARGETS, type TargetName } from '../contract/targets.ts'
import { removeDirectories } from '../runner/brokers.ts'
import { clients, missingTools } from '../runner/clients.ts'
import { killAll } from '../runner/programs.ts'
import { runRound, type RoundResult } from './round.ts'
import { runSyscallFaults } from './syscalls.ts'

const EXIT_ANOMALIES = 3

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    target: { type: 'string', default: 'semel' },
    workload: { type: 'string', default: WORKLOADS.map(({ name }) => name).join(',') },
    round: { type: 'string', default: '30' },
    rate: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    faults: { type: 'string', default: 'all' },
    syscalls: { type: 'string' },
    json: { type: 'string' },
  },
})

function number(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} ${text}: a number above 0`)
  return value
}

function targetOf(text: string): TargetName {
  const name = text === 'kafka' ? 'kafka1' : text
  const found = TARGETS.find((one) => one === name)
  if (found === undefined) throw new Error(`--target ${text}: semel, kafka (one node) or kafka3 (three)`)
  return found
}

function workloadsOf(text: string): readonly string[] {
  const names = text.split(',')
  for (const name of names) {
    if (!WORKLOADS.some((workload) => workload.name === name))
      throw new Error(`--workload ${name}: there are ${WORKLOADS.map((one) => one.name).join(', ')}`)
  }
  return names
}

async function soak(directory: string): Promise<readonly RoundResult[]> {
  const workloads = workloadsOf(flags.workload)
  const name = targetOf(flags.target)
  const spanMs = number('minutes', flags.minutes) * 60_000
  const seed = number('seed', flags.seed)
  if (name !== 'semel') await installKafka()
  const target = await Target.start(name)
  console.log(`${name} at ${target.addresses.join(', ')}, seed ${seed}`)
  const endMs = Date.now() + spanMs
  const results: RoundResult[] = []
  for (let index = 0; index === 0 || Date.now() < endMs; index += 1) {
    const workload = workloads[index % workloads.length] as string
    const result = await runRound({
      target: name,
      workload,
      seed: seed + index,
      durationMs: Math.max(5_000, Math.min(number('round', flags.round) * 1_000, endMs - Date.now())),
      rate: number('rate', flags.rate),
      brokers: target.nodes,
      directory,
      withFaults: flags.faults !== 'none',
      onPhase: (phase) => console.log(`${new Date().toISOString()}  ${workload} ${seed + index}: ${phase}`),
    })
    results.push(result)
    console.log(formatVerdict(result.verdict))
    if (isRight(result)) for (const file of result.historyFiles) rmSync(file, { force: true })
    await target.whenReady()
  }
  await target.stop()
  return results
}

async function installKafka(): Promise<void> {
  const java = clients.find(({ name }) => name === 'java')
  if (java === undefined) throw new Error('the list of clients has no Java')
  const missing = missingTools(java)
  if (missing.length > 0) throw new Error(`${missing.join(', ')} is missing: Apache Kafka needs Java and Maven`)
  await java.install()
}

function isRight({ verdict, onTheWay }: Pick<RoundResult, 'verdict' | 'onTheWay'>): boolean {
  return failureCount(verdict) === 0 && onTheWay.length === 0
}

function table(results: readonly RoundResult[]): string {
  const header = [
    ...['workload', 'seed', 's', 'check s', 'values', 'values/s', 'read', 'committed', 'aborted', 'open end'],
    ...['clients killed+paused', 'brokers killed+paused', 'verdict'],
  ]
  const rows = results.map(({ workload, seed, seconds, checkSeconds, faults, verdict, onTheWay }) => [
    workload,
    String(seed),
    seconds.toFixed(0),
    checkSeconds.toFixed(1),
    String(verdict.counts.sent),
    (verdict.counts.sent / seconds).toFixed(0),
    String(verdict.counts.read),
    String(verdict.counts.committed),
    String(verdict.counts.aborted),
    String(verdict.counts.unresolved),
    `${faults['client crash']}+${faults['client pause']}`,
    `${faults['broker crash']}+${faults['broker pause']}`,
    isRight({ verdict, onTheWay }) ? 'ok' : [...verdict.anomalies, ...onTheWay].map(({ code }) => code).join(' '),
  ])
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)))
  return [header, ...rows]
    .map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '))
    .join('\n')
}

const directory = mkdtempSync(join(tmpdir(), 'semel-soak-'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    killAll()
    removeDirectories()
    rmSync(directory, { recursive: true, force: true })
    process.exit(1)
  })
}

let exitCode = 1
try {
  if (flags.syscalls !== undefined) {
    exitCode = await runSyscallFaults({
      points: number('syscalls', flags.syscalls),
      seed: number('seed', flags.seed),
      directory,
    })
  } else {
    const results = await soak(directory)
    console.log(`\n${table(results)}\n`)
    if (flags.json !== undefined) writeFileSync(flags.json, JSON.stringify(results, undefined, 2))
    exitCode = results.every(isRight) ? 0 : EXIT_ANOMALIES
  }
} catch (error) {
  console.log(error instanceof Error ? error.stack : String(error))
}
killAll()
if (exitCode === 0) {
  removeDirectories()
  rmSync(directory, { recursive: true, force: true })
} else {
  console.log(`kept: ${directory}, and what the brokers wrote beside it`)
  console.log(`to judge a round again: node src/cli/main.ts verify check ${directory}/soakSEED-*.history`)
}
process.exit(exitCode)
