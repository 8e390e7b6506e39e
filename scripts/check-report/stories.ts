/**
 * Runs for the check of the report: some simulated, one of them spoiled, one with names that are markup, one that is
 * large.
 */
import { simulateSeed } from '../../src/testing/world/simulate-seed.ts'
import { check } from '../../src/verify/check/check.ts'
import type { Verdict } from '../../src/verify/check/verdict.ts'
import type { History } from '../../src/verify/history/history.ts'
import { findWorkload } from '../../src/verify/workloads/workloads.ts'
import { largeHistory } from '../../test/verify/large-history.ts'
import { ScriptFailure } from '../run.ts'

export interface Story {
  readonly name: string
  readonly history: History
  readonly verdict: Verdict
}

const OPERATIONS = 100_000
const MARKUP = '</script><img src=x onerror="document.title=1">'

/** One after the other, since each is made when it is asked for. */
export async function* stories(): AsyncGenerator<Story> {
  yield await simulated('copier', 1)
  yield await simulated('bank', 2)
  const spoiled = await simulated('copier', 3)
  spoil(spoiled.history)
  yield { name: 'spoiled', history: spoiled.history, verdict: check(spoiled.history) }
  yield hostile(largeHistory(2_000, 5))
  const large = largeHistory(OPERATIONS, 6)
  yield { name: 'large', history: large, verdict: check(large) }
}

async function simulated(workload: string, seed: number): Promise<Story> {
  const found = findWorkload(workload)
  if (found === undefined) throw new ScriptFailure(`there is no workload ${workload}`)
  const { history, verdict, failure } = await simulateSeed({ seed, workloads: [found] })
  if (failure !== undefined) throw new ScriptFailure(`seed ${seed} of ${workload}: ${failure}`)
  return { name: `${workload}-${seed}`, history, verdict }
}

/**
 * Some that were committed were asked to abort; a last stable offset goes back; a reader was given one offset twice.
 */
function spoil({ tables }: History): void {
  const { transactionEnding, sendInvoked, watermarks, read } = tables
  const withValues = new Set<string>()
  for (let row = 0; row < sendInvoked.length; row += 1) {
    withValues.add(`${sendInvoked.writer[row]} ${sendInvoked.transaction[row]}`)
  }
  let turned = 0
  for (let row = 0; row < transactionEnding.length && turned < 3; row += 1) {
    const name = `${transactionEnding.writer[row]} ${transactionEnding.transaction[row]}`
    if (transactionEnding.isCommit[row] === 0 || !withValues.has(name)) continue
    transactionEnding.isCommit[row] = 0
    turned += 1
  }
  const back = watermarks.lastStableOffset.findIndex((offset) => offset > 8)
  if (back >= 0) watermarks.lastStableOffset[back] = 1
  read.offset[5] = read.offset[4] as number
}

/** Every text of it ends the script and loads an image, if it were markup. */
function hostile(history: History): Story {
  const rename = (text: string): string => (text === '' ? text : `${text}${MARKUP}`)
  const named: History = {
    info: { ...history.info, run: rename(history.info.run), workload: rename(history.info.workload) },
    strings: history.strings.map(rename),
    partitions: history.partitions.map(({ topic, partition }) => ({ topic: rename(topic), partition })),
    tables: history.tables,
  }
  return { name: 'hostile', history: named, verdict: check(named) }
}
