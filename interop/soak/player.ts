/**
 * A process that plays one part of a workload: `node interop/soak/player.ts TASK`. SIGTERM tells it to stop; it is killed and paused
 * from outside and knows nothing of it. Ends with its parent, whose end it sees on standard input.
 */
import { openAppendFile } from '../../src/runtime/append-file.ts'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import { HistoryFileWriter, RunWorker, SeededRandom } from '../../src/verify/index.ts'
import { planOf, type PlayerTask, sharedClock } from './task.ts'
import { allOf, tellRows } from './told-rows.ts'

const task = JSON.parse(process.argv[2] ?? '') as PlayerTask
const role = planOf(task.plan).roles.find(({ name }) => name === task.role)
if (role === undefined) throw new Error(`${task.plan.workload} has no role ${task.role}`)

const nothing = (): void => undefined
const quiet = { debug: nothing, info: nothing, warn: nothing, error: nothing }
const file = new HistoryFileWriter(openAppendFile(task.historyFile), task.info)
// Writing to a pipe is done when the call returns.
const history = allOf(
  file,
  tellRows((line) => process.stdout.write(line)),
)
const worker = new RunWorker({
  runtime: { ...nodeRuntime({ logger: quiet }), random: new SeededRandom(task.plan.seed, task.process) },
  history,
  process: task.process,
  index: task.index,
  incarnation: task.incarnation,
  nowMs: sharedClock(task.originNs),
  kafka: { brokers: task.brokers, clientId: `${task.role}-${task.index}` },
})
process.on('SIGTERM', () => worker.stop())
process.stdin.resume().on('end', () => process.exit(1))
try {
  await role.run(worker)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
history.flush()
file.close()
process.stdin.destroy()
