/** Cases whose program reports checks by itself: basics, idempotent, transactions. */
import { begin, type Context, printTails, record } from './context.ts'

const CHECKS = {
  basics: [
    'metadata',
    'create-topic',
    'delete-topic',
    'produce-consume',
    'gzip',
    'snappy',
    'lz4',
    'zstd',
    'headers',
    'null-key-value',
    'big-record',
    'offsets',
    'group-rebalance',
    'static-member',
    'list-groups',
    'describe-group',
    'delete-group',
    'configs',
    'list-offsets',
    'offsets-for-time',
    'delete-records',
  ],
  idempotent: ['in-order'],
  transactions: ['commit', 'abort', 'empty', 'isolation', 'send-offsets'],
} as const

const TIMEOUT_MS = 150_000

export async function checksCase(context: Context, command: keyof typeof CHECKS): Promise<void> {
  const program = begin(context, command, { prefix: context.prefix })
  const code = await program.finish(TIMEOUT_MS)
  let failed = false
  for (const check of CHECKS[command]) {
    const line = program.lines.find((one) => one['check'] === check)
    const seconds = Number(line?.['ms'] ?? 0) / 1_000
    const name = `${command}/${check}`
    if (line?.['ok'] === true) record(context, name, 'pass', seconds)
    else if (typeof line?.['limit'] === 'string') record(context, name, 'limit', seconds, line['limit'])
    else {
      failed = true
      record(context, name, 'fail', seconds, String(line?.['detail'] ?? `no result; the program ended with ${code}`))
    }
  }
  if (failed) printTails(context, [program])
}
