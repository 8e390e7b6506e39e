/** One seed, told in full: its faults, what the processes logged, the verdict with its slices. */
import { textLogger } from '../../src/runtime/logger.ts'
import { simulateSeed } from '../../src/testing/world/simulate-seed.ts'
import { formatVerdict } from '../../src/verify/check/format-verdict.ts'
import { problemsOf, workloadsOf } from './judged-seed.ts'

export interface TellOptions {
  readonly seed: number
  readonly workload: string | undefined
  readonly onlyFaults?: readonly number[]
  readonly logLevel?: string
  readonly traces: boolean
}

type Level = 'debug' | 'info' | 'warn' | 'error'

/** @returns whether nothing is wrong */
export async function tellSeed({ seed, workload, onlyFaults, logLevel, traces }: TellOptions): Promise<boolean> {
  const rejections: string[] = []
  process.on('unhandledRejection', (reason) => {
    rejections.push(`nobody handled: ${reason instanceof Error ? reason.stack : String(reason)}`)
  })
  const print = (line: string): void => void process.stdout.write(line)
  const logger = textLogger({ level: logLevel as Level, clock: { nowMs: () => 0 }, write: print })
  const result = await simulateSeed({
    seed,
    workloads: workloadsOf(workload),
    ...(onlyFaults && { onlyFaults }),
    ...(logLevel !== undefined && { logger }),
    ...(traces && { onTrace: (line: string) => print(`${line}\n`) }),
  })
  const { fault, phase } = result.history.tables
  const { strings } = result.history
  for (let row = 0; row < phase.length; row += 1)
    console.log(`${(phase.at[row] as number).toFixed(0)} ms: ${strings[phase.phase[row] as number]}`)
  console.log(`workload ${result.workload}, faults:`)
  for (const [at, { kind, atMs, durationMs }] of result.faults.entries()) {
    const isLeftOut = onlyFaults !== undefined && !onlyFaults.includes(at)
    if (!isLeftOut) console.log(`  ${at}: ${kind} at ${atMs.toFixed(0)} ms for ${durationMs.toFixed(0)} ms`)
  }
  console.log('as they were inflicted:')
  for (let row = 0; row < fault.length; row += 1) {
    const [kind, target, detail] = [fault.kind[row], fault.target[row], fault.detail[row]].map(
      (id) => strings[id as number],
    )
    console.log(
      `  ${(fault.at[row] as number).toFixed(0)} to ${(fault.until[row] as number).toFixed(0)} ms: ${kind} ${target} ${detail}`,
    )
  }
  console.log(formatVerdict(result.verdict))
  for (const problem of [...problemsOf(result), ...rejections]) console.log(problem)
  console.log(
    `trace ${result.traceHash}, ${result.events} events, ${(result.virtualMs / 1_000).toFixed(1)} s of virtual time`,
  )
  return problemsOf(result).length + rejections.length === 0
}
