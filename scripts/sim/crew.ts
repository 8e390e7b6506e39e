/** Worker processes that take seeds one after the other. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ScriptFailure } from '../run.ts'
import type { Outcome } from './judged-seed.ts'

export interface CrewOptions {
  readonly jobs: number
  readonly workload: string | undefined
  readonly runs: number
  readonly shrinks: boolean
}

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))

export class Crew {
  readonly #options: CrewOptions

  constructor(options: CrewOptions) {
    this.#options = options
  }

  /** @param onOutcome  in the order in which they are done; false: no more */
  async work(first: number, count: number, onOutcome: (outcome: Outcome) => boolean): Promise<void> {
    let next = first
    let goesOn = true
    const take = (): number | undefined => {
      if (!goesOn || next >= first + count) return undefined
      next += 1
      return next - 1
    }
    const workers = Array.from({ length: Math.min(this.#options.jobs, count) }, () =>
      this.#worker(take, (outcome) => {
        goesOn &&= onOutcome(outcome)
      }),
    )
    await Promise.all(workers)
  }

  #worker(take: () => number | undefined, onOutcome: (outcome: Outcome) => void): Promise<void> {
    const { workload, runs, shrinks } = this.#options
    return new Promise((resolve, reject) => {
      const child = fork(WORKER, [JSON.stringify({ workload, runs, shrinks })], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      let seed: number | undefined
      const give = (): void => {
        seed = take()
        if (seed === undefined) child.disconnect()
        else child.send(seed)
      }
      child.on('message', (outcome: Outcome) => {
        onOutcome(outcome)
        give()
      })
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        if (code === 0) resolve()
        else reject(new ScriptFailure(`the worker at seed ${seed} ended with ${code ?? signal}`))
      })
      give()
    })
  }
}
