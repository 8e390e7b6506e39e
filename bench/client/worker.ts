/**
 * One side of the client suite in a process of its own: `worker.ts SIDE`, told what to do over the channel of `fork`. It stays
 * alive from round to round, as a server would, so what is compiled once counts once.
 */
import { type FromWorker, type Measured, type Run, type Side, SIDE_NAMES, type ToWorker } from './contract.ts'

const name = SIDE_NAMES.find((known) => known === process.argv[2])
if (name === undefined) throw new Error(`no side ${process.argv[2]}`)
const answer = (message: FromWorker): void => void process.send?.(message)

let side: Side
try {
  const loaded = (await import(`./sides/${name}.ts`)) as { readonly side: Side }
  side = loaded.side
  process.on('message', (message: ToWorker) => {
    if ('describe' in message) answer({ description: side.describe(message.describe) })
    else measure(message.run).then((measured) => answer({ measured }), fail)
  })
  answer({ ready: true })
} catch (error) {
  fail(error)
}

async function measure(run: Run): Promise<Measured> {
  const prepared = await side.prepare(run)
  const before = process.cpuUsage()
  const outcome = await prepared.run()
  const { user, system } = process.cpuUsage(before)
  await prepared.close()
  return { ...outcome, cpuSeconds: (user + system) / 1e6, peakBytes: process.resourceUsage().maxRSS * 1024 }
}

function fail(error: unknown): void {
  answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}
