/** A worker process of `npm run sim`: takes seeds from its parent, tells what came of each. */
import { judgeSeed } from './judged-seed.ts'
import { shrinkSeed } from './shrink.ts'

interface Settings {
  readonly workload?: string
  readonly runs: number
  readonly shrinks: boolean
}

const { workload, runs, shrinks } = JSON.parse(process.argv[2] as string) as Settings
// Errors are values here, thousands of them a second, and traces of their making are what they cost most.
Error.stackTraceLimit = 3
const rejected: string[] = []
process.on('unhandledRejection', (reason) => {
  rejected.push(`nobody handled: ${reason instanceof Error ? reason.stack : String(reason)}`)
})

// Without a parent there is nobody to tell.
process.on('disconnect', () => process.exit())
process.on('message', (seed: number) => {
  void (async () => {
    const outcome = await judgeSeed(seed, { workload, runs, rejections: () => rejected.splice(0) })
    const fails = outcome.problems.length > 0
    const neededFaults = fails && shrinks ? await shrinkSeed(seed, workload) : undefined
    process.send?.(neededFaults === undefined ? outcome : { ...outcome, neededFaults })
  })()
})
