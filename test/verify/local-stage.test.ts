/** A stage within one process: what a crash, a pause and a cut are, and that a run goes on through all of them. */
import { describe, expect, test } from 'vitest'
import type { Socket } from '../../src/base/runtime.ts'
import { SimRandom } from '../../src/testing/sim-random.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import { HistoryTables } from '../../src/verify/history/columns.ts'
import { LocalProcess } from '../../src/verify/run/local-process.ts'
import { bank } from '../../src/verify/workloads/bank.ts'
import { copier } from '../../src/verify/workloads/copier.ts'
import { count, runOnMemory, stuck } from './workload-kit.ts'

const TIMEOUT_MS = 90_000

function processInSim() {
  const world = simRuntime(1)
  const history = new HistoryTables()
  return { world, history, process: new LocalProcess(world, history, new SimRandom(2)) }
}

/** A connection of the process to a listener that echoes. */
async function echoed({ world, process }: ReturnType<typeof processInSim>) {
  const seen: string[] = []
  const server: Socket[] = []
  await world.network.listen({ host: '127.0.0.1', port: 9 }, (socket) => {
    server.push(socket)
    socket.onData = (chunk) => void socket.write([chunk])
    socket.onEnd = () => socket.end()
    socket.onClose = () => seen.push('server closed')
  })
  const connecting = process.runtime.network.connect({ host: '127.0.0.1', port: 9 })
  const socket = await world.clock.runUntil(connecting)
  socket.onData = (chunk) => seen.push(Buffer.from(chunk).toString())
  socket.onClose = () => seen.push('closed')
  return { socket, seen }
}

describe('a process of a stage', () => {
  test('that is killed is heard no more: no timer fires, no byte comes or goes, no row is written', async () => {
    const sim = processInSim()
    const { world, process, history } = sim
    const { socket, seen } = await echoed(sim)
    process.runtime.clock.setTimer(10, () => seen.push('timer'))
    socket.write([Buffer.from('a')])
    process.kill()
    expect(socket.write([Buffer.from('b')])).toBe(false)
    process.history.record('stuck', { what: 'x', forMs: 1, at: 1 })
    await world.clock.advance(1_000)
    expect(seen).toEqual(['server closed'])
    expect(history.tables.stuck.length).toBe(0)
  })

  test('that is paused keeps its connection; what reached it meanwhile comes afterwards, in order', async () => {
    const sim = processInSim()
    const { world, process } = sim
    const { socket, seen } = await echoed(sim)
    process.runtime.clock.setTimer(10, () => seen.push('timer'))
    socket.write([Buffer.from('a')])
    process.pause()
    await world.clock.advance(1_000)
    expect(seen).toEqual([])
    process.resume()
    expect(seen).toEqual(['a', 'timer'])
    socket.write([Buffer.from('b')])
    await world.clock.advance(1_000)
    expect(seen).toEqual(['a', 'timer', 'b'])
  })

  test('a timer that falls due during a pause can still be cancelled by what was due before it', async () => {
    const { world, process } = processInSim()
    const seen: string[] = []
    process.runtime.clock.setTimer(10, () => {
      seen.push('first')
      second.cancel()
    })
    const second = process.runtime.clock.setTimer(20, () => seen.push('second'))
    process.pause()
    await world.clock.advance(100)
    process.resume()
    expect(seen).toEqual(['first'])
  })

  test('that is cut off loses its connections and may make new ones', async () => {
    const sim = processInSim()
    const { world, process } = sim
    const { seen } = await echoed(sim)
    process.cut()
    await world.clock.advance(1_000)
    expect(seen.toSorted()).toEqual(['closed', 'server closed'])
    await world.clock.runUntil(process.runtime.network.connect({ host: '127.0.0.1', port: 9 }))
  })
})

describe('a run in which clients crash, pause and lose their connections', () => {
  test.each([
    ['bank', bank],
    ['copier', copier],
  ])('%s comes to its end, and those who died had successors', { timeout: TIMEOUT_MS }, async (_, workload) => {
    const run = await runOnMemory(workload, { durationMs: 4_000, rate: 15, faults: 'clients', seed: 7 })
    expect(stuck(run)).toEqual([])
    const crashes = count(run, 'fault', { kind: 'client crash' })
    expect(crashes).toBeGreaterThan(2)
    expect(count(run, 'processEnded', { cause: 'killed' })).toBe(crashes)
    const parts = run.plan.roles.reduce((sum, role) => sum + role.count, 0)
    // The very last one may have died when nobody was needed any more.
    expect(count(run, 'processStarted')).toBeGreaterThanOrEqual(parts + crashes)
    expect(run.tables.logRecord.length).toBeGreaterThan(100)
  })
})
