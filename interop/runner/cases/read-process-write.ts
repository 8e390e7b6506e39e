/** Three processes of one group move records in transactions while members are killed and added: every record once. */
import { type Program, sleep } from '../programs.ts'
import { begin, CaseError, capability, committedValues, type Context, help, helper } from './context.ts'
import { start } from '../clients.ts'

const RECORDS = 3_000
const TIMEOUT_MS = 180_000
/** An aborted transaction of a killed member holds committed readers for its timeout (8 s) and a scan. */
const SETTLE_MS = 20_000

export async function readProcessWriteCase(context: Context): Promise<void> {
  await capability(context, 'read-process-write', async () => {
    const source = `${context.prefix}rpw-in`
    const target = `${context.prefix}rpw-out`
    const group = `${context.prefix}rpw`
    await help(context, 'create', { topics: `${source}:6,${target}:3` })
    await help(context, 'produce', { topic: source, count: RECORDS })
    const members = new Map<string, Program>()
    const join = (id: string): void => {
      const args = { in: source, out: target, group, 'transactional-id': `${context.prefix}rpw-${id}`, delay: 60 }
      members.set(id, begin(context, 'rpw', args))
    }
    const kill = async (id: string): Promise<void> => members.get(id)?.kill()
    for (const id of ['a', 'b', 'c']) join(id)
    let lag = RECORDS
    const watch = start(
      helper,
      'lag',
      { bootstrap: context.broker.address, topic: source, group },
      {
        onLine: (line) => {
          if (typeof line['lag'] === 'number') lag = line['lag']
        },
      },
    )
    const finished = watch.finish(TIMEOUT_MS)
    // Each step when that share of the records is left.
    const steps: [number, () => void | Promise<void>][] = [
      [0.85, () => kill('a')],
      // The same id: its open transaction is aborted at once. (Another id: after its timeout.)
      [0.8, () => join('a')],
      [0.6, () => join('d')],
      [0.4, () => kill('b')],
      [
        0.2,
        async () => {
          await kill('c')
          join('c')
        },
      ],
    ]
    for (const [share, step] of steps) {
      while (lag > RECORDS * share && watch.exitCode === undefined) {
        failIfDead(members)
        await sleep(20)
      }
      await step()
      if (share === 0.85) {
        // Nobody moves the killed member's partitions before its session ends: do not wait for a lag that needs them.
        await sleep(1_000)
      }
    }
    const code = await finished
    const programs = [...members.values()]
    for (const member of programs) await member.kill()
    if (code !== 0)
      throw new CaseError(`${lag} of ${RECORDS} records were left after ${TIMEOUT_MS} ms`, watch, ...programs)
    const deadlineMs = Date.now() + SETTLE_MS
    let records = await committedValues(context, target)
    while (records.length < RECORDS && Date.now() < deadlineMs) {
      await sleep(1_000)
      records = await committedValues(context, target)
    }
    const values = new Set(records.map((record) => record.v))
    const sources = new Set(records.map((record) => record.f))
    const missing = Array.from({ length: RECORDS }, (_, i) => String(i)).filter((value) => !values.has(value))
    if (records.length !== RECORDS || values.size !== RECORDS || sources.size !== RECORDS)
      throw new CaseError(
        `${records.length} outputs, ${values.size} distinct, of ${sources.size} distinct inputs; ${RECORDS} are due; missing: ${missing.slice(0, 5).join(' ')}`,
        ...programs,
      )
    return `${RECORDS} records, 3 members, 3 killed, 3 joined later`
  })
}

function failIfDead(members: ReadonlyMap<string, Program>): void {
  for (const member of members.values()) {
    if (member.exitCode !== undefined && member.exitCode !== 137)
      throw new CaseError(`${member.name} ended with ${member.exitCode}`, member)
  }
}
