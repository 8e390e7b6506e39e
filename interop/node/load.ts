/**
 * One transaction per invoice, over any client. The audit trail (one partition, one record per invoice, in order) tells
 * after any accident which invoice comes next: the last committed audit record plus one. These clients' own
 * read_committed cannot be trusted with that question, so the `--resolver` command of the runner is asked.
 */
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { emit, log, type Options, sleep, text } from './common.ts'

export type InvoiceRecord = [topic: string, key: string, value: string]

interface Invoice {
  index: number
  abortFirst: boolean
  records: InvoiceRecord[]
}

/** A producer whose id is initialized: any older transaction of its transactional id has ended. */
export interface Transactor {
  transact(records: readonly InvoiceRecord[], fate: 'commit' | 'abort'): Promise<void>
  close(): Promise<void>
}

export async function load(options: Options, open: () => Promise<Transactor>): Promise<void> {
  let restarts = 0
  let transactor: Transactor | undefined
  let due = 0
  for await (const line of createInterface({ input: createReadStream(text(options, 'input')) })) {
    const invoice = JSON.parse(line) as Invoice
    while (invoice.index >= due) {
      try {
        if (transactor === undefined) {
          transactor = await open()
          const next = await nextInvoice(options)
          if (next < invoice.index) throw new Lost(`${invoice.index} invoices were committed, ${next} are there`)
          due = next
          continue
        }
        if (invoice.abortFirst) await transactor.transact(invoice.records, 'abort')
        await transactor.transact(invoice.records, 'commit')
        due = invoice.index + 1
        if (due % 10 === 0) emit({ progress: due })
      } catch (error) {
        if (error instanceof Lost) throw error
        restarts++
        log('new producer after', error)
        await transactor?.close().catch((closing: unknown) => log('not closed:', String(closing)))
        transactor = undefined
        await sleep(300)
      }
    }
  }
  await transactor?.close()
  emit({ done: true, restarts, redone: 0 })
}

/** The broker lost what it had committed: nothing to be repeated. */
class Lost extends Error {}

async function nextInvoice(options: Options): Promise<number> {
  const [file = '', ...args] = JSON.parse(text(options, 'resolver')) as string[]
  const { stdout } = await promisify(execFile)(file, args)
  return (JSON.parse(stdout) as { next: number }).next
}
