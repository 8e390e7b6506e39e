/** A paused producer whose id was taken over is fenced; one that vanished holds readers no longer than its timeout. */
import { TIMEOUT_SCAN_INTERVAL_MS } from '../brokers.ts'
import { start } from '../clients.ts'
import { begin, CaseError, capability, committedValues, type Context, complete, help, helper } from './context.ts'

const TIMEOUT_MS = 60_000
const TRANSACTION_TIMEOUT_MS = 3_000
/** Time for the marker to be written, fetched and printed, on a busy machine. */
const SLACK_MS = 2_000
/** A clock of another process and rounding. */
const EARLY_MS = 200

export async function zombieCase(context: Context): Promise<void> {
  await capability(context, 'zombie/paused process', async () => {
    const topic = `${context.prefix}zombie-paused`
    const id = `${topic}-id`
    await help(context, 'create', { topics: `${topic}:1` })
    const old = begin(context, 'hold', { topic, 'transactional-id': id })
    try {
      await old.line('open', TIMEOUT_MS)
      old.signal('SIGSTOP')
      await complete(context, context.client, 'once', { topic, 'transactional-id': id, value: 'young' }, TIMEOUT_MS)
      old.signal('SIGCONT')
      old.write('\n')
      const line = await old.line('fenced', TIMEOUT_MS)
      if (line['fenced'] !== true) throw new Error('the resumed producer could commit')
      const values = (await committedValues(context, topic)).map((record) => record.v)
      if (values.join() !== 'young') throw new Error(`committed records are ${values.join()}`)
      return `fenced by ${line['error']}`
    } catch (error) {
      throw error instanceof CaseError ? error : new CaseError(String(error), old)
    } finally {
      await old.kill()
    }
  })
  await capability(context, 'zombie/same process', async () => {
    const topic = `${context.prefix}zombie-inside`
    await help(context, 'create', { topics: `${topic}:1` })
    const program = await complete(
      context,
      context.client,
      'zombie',
      { topic, 'transactional-id': `${topic}-id` },
      TIMEOUT_MS,
    )
    if (program.lines.find((line) => line['check'] === 'fenced-in-process')?.['ok'] !== true)
      throw new CaseError('the old producer was not fenced', program)
    const values = (await committedValues(context, topic)).map((record) => record.v)
    if (values.join() !== 'young') throw new CaseError(`committed records are ${values.join()}`, program)
    return undefined
  })
  await capability(context, 'zombie/timeout', async () => {
    const topic = `${context.prefix}zombie-timeout`
    await help(context, 'create', { topics: `${topic}:1` })
    const reader = start(helper, 'wait', { bootstrap: context.broker.address, topic, value: 'after' })
    try {
      await reader.line('waiting', TIMEOUT_MS)
      const old = begin(context, 'hold', {
        topic,
        'transactional-id': `${topic}-id`,
        'timeout-ms': TRANSACTION_TIMEOUT_MS,
      })
      const open = await old.line('open', TIMEOUT_MS)
      await old.kill()
      await help(context, 'produce', { topic, value: 'after' })
      const seen = await reader.line('seenAtMs', TIMEOUT_MS)
      const heldMs = Number(seen['seenAtMs']) - Number(open['atMs'])
      if ((seen['before'] as unknown[]).length > 0) throw new Error(`the reader was given ${String(seen['before'])}`)
      const longestMs = TRANSACTION_TIMEOUT_MS + TIMEOUT_SCAN_INTERVAL_MS + SLACK_MS
      if (heldMs > longestMs || heldMs < TRANSACTION_TIMEOUT_MS - EARLY_MS)
        throw new Error(
          `readers were held for ${heldMs} ms; between ${TRANSACTION_TIMEOUT_MS} and ${longestMs} ms are due`,
        )
      return `readers held for ${heldMs} ms (timeout ${TRANSACTION_TIMEOUT_MS} ms, scan every ${TIMEOUT_SCAN_INTERVAL_MS} ms)`
    } catch (error) {
      throw error instanceof CaseError ? error : new CaseError(String(error), reader)
    } finally {
      await reader.kill()
    }
  })
}
