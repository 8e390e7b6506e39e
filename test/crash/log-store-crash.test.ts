/**
 * Stops the disk at every operation of scripted lives of a log store, damages what was not flushed in several ways, and checks
 * what is recovered. SEMEL_CRASH_SCALE (default 1) multiplies the damages tried at each point.
 */
import { describe, expect, test } from 'vitest'
import { SimClock } from '../../src/testing/sim-clock.ts'
import { SimDisk } from '../../src/testing/sim-disk.ts'
import { SimRandom } from '../../src/testing/sim-random.ts'
import { checkRecovered, DATA_DIRECTORY, loadLogs, ModelledStore, openOn, randomBatch } from './log-store-model.ts'
import type { LogName } from './log-store-model.ts'
import { readBatchHeader } from '../../src/protocol/record-batch.ts'
import type { LogStore } from '../../src/storage/log-store.ts'

const SCALE = Number(process.env['SEMEL_CRASH_SCALE'] ?? 1)
const DAMAGES = Math.max(1, Math.round(5 * SCALE))

const topicIds = [
  'AAAAAAAAAAAAAAAAAAAAAQ',
  'AAAAAAAAAAAAAAAAAAAAAg',
  'AAAAAAAAAAAAAAAAAAAAAw',
  'AAAAAAAAAAAAAAAAAAAABA',
]
const name = (topic: string, topicId: number, partition = 0): LogName => ({
  topicId: topicIds[topicId] as string,
  topic,
  partition,
})
const orders = name('orders', 0)
const payments = [0, 1, 2].map((partition) => name('payments', 1, partition))

type Workload = (life: ModelledStore) => Promise<void>

const workloads: Record<string, Workload> = {
  async 'appends over several logs'(life) {
    await life.open()
    for (const log of [orders, ...payments]) life.create(log)
    for (let round = 0; round < 4; round++) {
      life.append(orders, ...payments)
      life.append(payments[round % 3] as LogName, payments[round % 3] as LogName)
      if (round % 3 === 0) await life.acknowledge()
    }
    await life.clock.advance(600)
    await life.store?.close()
  },

  async 'segments that fill up, with checkpoints among appends'(life) {
    await life.open()
    life.create(orders)
    for (let round = 0; round < 12; round++) {
      for (let count = 0; count < 3; count++) life.append(orders)
      if (round % 5 === 2) {
        const checkpoint = life.store?.checkpoint()
        life.append(orders)
        await checkpoint
      } else await life.acknowledge()
    }
  },

  async 'appends that go on while checkpoints are taken'(life) {
    await life.open()
    for (const log of [orders, payments[0] as LogName]) life.create(log)
    for (let round = 0; round < 2; round++) {
      let isTaken = false
      const checkpoint = life.store?.checkpoint().then(() => {
        isTaken = true
      })
      while (!isTaken) {
        if (life.steps.length < 9 * (round + 1)) life.append(orders, payments[0] as LogName)
        await pause(life)
      }
      await checkpoint
    }
    await life.acknowledge()
  },

  async 'topics created and dropped, again under the same name'(life) {
    await life.open()
    for (const [round, incarnation] of [0, 1, 2, 3].entries()) {
      const topic = name('orders', incarnation)
      life.create(topic)
      life.create({ ...topic, partition: 1 })
      for (let count = 0; count < 6; count++) life.append(topic, { ...topic, partition: 1 })
      if (round !== 1) await life.store?.checkpoint()
      if (round === 3) break
      if (round < 2) {
        // Dropped while a checkpoint that has noted it is being taken.
        for (let count = 0; count < 3; count++) life.append(topic, { ...topic, partition: 1 })
        life.store?.checkpoint().catch(() => {
          // The disk has stopped.
        })
        for (let turn = 0; turn < 12 * (round + 1); turn++) await Promise.resolve()
        life.append(topic)
      }
      life.drop(topic, { ...topic, partition: 1 })
      if (round === 2) await life.acknowledge()
    }
    await life.clock.advance(600)
    await life.acknowledge()
  },

  async 'records deleted from the front'(life) {
    await life.open()
    for (const log of [orders, payments[0] as LogName]) life.create(log)
    for (let round = 0; round < 4; round++) {
      for (let count = 0; count < 5; count++) life.append(orders, payments[0] as LogName)
      await life.acknowledge()
      life.setLogStartOffset(orders, Math.max(0, life.log(orders).logEndOffset - 4))
      if (round % 2 === 1) await life.store?.checkpoint()
    }
    life.setLogStartOffset(orders, life.log(orders).logEndOffset)
    await life.store?.checkpoint()
    life.append(orders)
    await life.acknowledge()
  },

  async 'clean restarts'(life) {
    for (let run = 0; run < 3; run++) {
      const store = await life.open()
      if (run === 0) for (const log of [orders, payments[0] as LogName, payments[1] as LogName]) life.create(log)
      expect(store.recovery.cleanShutdown).toBe(true)
      await loadLogs(store)
      for (let count = 0; count < 4; count++) life.append(orders, payments[run % 2] as LogName)
      await life.acknowledge()
      await store.close()
    }
  },
}

/** Lets a few operations of the disk go by. */
async function pause(life: ModelledStore): Promise<void> {
  // A disk that has stopped ends the workload here.
  if (life.isDiskStopped) await new Promise(() => {})
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

async function recover(disk: SimDisk): Promise<LogStore> {
  return await openOn(disk, new SimClock(), 'fsync')
}

async function checkGoesOn(store: LogStore, random: SimRandom): Promise<void> {
  const before = [...store.logs()].map((log) => [log, log.logEndOffset] as const)
  for (const [log] of before) {
    const batch = randomBatch(random, log.logEndOffset)
    store.append([{ log, batch, header: readBatchHeader(batch) }])
  }
  await store.whenDurable(store.appendedLsn)
  await store.checkpoint()
  for (const [log, offset] of before) {
    const [bytes] = await log.read(offset, log.logEndOffset, 1, true)
    expect(readBatchHeader(bytes as Uint8Array).baseOffset).toBe(offset)
  }
}

/** The files hold what the store says, no byte more. */
async function checkFiles(store: LogStore, disk: SimDisk): Promise<void> {
  const expected = new Set<string>()
  for (const log of store.logs()) {
    expected.add(log.directory)
    for (const segment of log.segments) {
      expect((await disk.stat(segment.path('log')))?.sizeBytes).toBe(segment.sizeBytes)
      expect((await disk.stat(segment.path('index')))?.sizeBytes).toBe(segment.indexBytes)
      expect((await disk.stat(segment.path('timeindex')))?.sizeBytes).toBe(segment.timeIndexBytes)
      expect((await disk.stat(segment.path('txnindex')))?.sizeBytes ?? 0).toBe(segment.transactionIndexBytes)
    }
  }
  for (const entry of await disk.list(DATA_DIRECTORY)) {
    const path = `${DATA_DIRECTORY}/${entry}`
    if ((await disk.stat(path))?.isDirectory === true && entry !== 'journal') expect(expected).toContain(path)
  }
}

describe.each(Object.entries(workloads))('%s', (_, workload) => {
  async function run(crashAt: number, seed: number): Promise<ModelledStore> {
    const disk = new SimDisk()
    disk.crashAt(crashAt)
    const life = new ModelledStore(disk, seed)
    await Promise.race([workload(life), disk.crashed])
    return life
  }

  test('a crash at any file operation loses nothing acknowledged', { timeout: 120_000 }, async () => {
    const seed = 1
    const operations = (await run(Number.POSITIVE_INFINITY, seed)).disk.operations
    expect(operations).toBeGreaterThan(100)
    for (let crashAt = 0; crashAt < operations; crashAt++) {
      const life = await run(crashAt, seed)
      for (let damage = 0; damage < DAMAGES; damage++) {
        const random = new SimRandom(crashAt * 1000 + damage)
        const where = `crash at operation ${crashAt}, damage ${damage}`
        try {
          const found = life.disk.crash(random)
          // A crash in the middle of recovery changes nothing about the outcome of the next.
          if ((damage + crashAt) % 4 === 1) {
            const interrupted = life.disk.crash(new SimRandom(crashAt * 1000 + damage))
            interrupted.crashAt(random.below(30))
            await Promise.race([recover(interrupted), interrupted.crashed])
            const store = await recover(interrupted.crash(random))
            await loadLogs(store)
            await checkRecovered(store, life.steps, life.acknowledged)
          }
          const store = await recover(found)
          await loadLogs(store)
          const prefix = await checkRecovered(store, life.steps, life.acknowledged)
          if (damage === 0 && crashAt % 3 === 0) {
            const disk = found.kill()
            const again = await recover(disk)
            await loadLogs(again)
            expect(await checkRecovered(again, life.steps, prefix)).toBe(prefix)
            await checkGoesOn(again, random)
            await again.close()
            await checkFiles(again, disk)
          }
        } catch (error) {
          throw new Error(where, { cause: error })
        }
      }
    }
  })
})

test('with durability os, a power cut leaves a prefix that holds the last checkpoint, a kill leaves everything', {
  timeout: 120_000,
}, async () => {
  async function run(crashAt: number) {
    const disk = new SimDisk()
    disk.crashAt(crashAt)
    const life = new ModelledStore(disk, 1, 'os')
    let checkpointed = 0
    const work = async () => {
      await life.open()
      for (const log of [orders, payments[0] as LogName]) life.create(log)
      for (let round = 0; round < 4; round++) {
        for (let count = 0; count < 4; count++) life.append(orders, payments[0] as LogName)
        await life.acknowledge()
        if (round % 2 === 0) continue
        const count = life.steps.length
        await life.store?.checkpoint()
        checkpointed = count
      }
    }
    await Promise.race([work(), disk.crashed])
    return { life, checkpointed }
  }
  const { operations } = (await run(Number.POSITIVE_INFINITY)).life.disk
  for (let crashAt = 0; crashAt < operations; crashAt++) {
    const { life, checkpointed } = await run(crashAt)
    try {
      const killed = await openOn(life.disk.kill(), new SimClock(), 'os')
      await loadLogs(killed)
      await checkRecovered(killed, life.steps, life.acknowledged)
      for (let damage = 0; damage < DAMAGES; damage += 2) {
        const found = await openOn(life.disk.crash(new SimRandom(crashAt * 1000 + damage)), new SimClock(), 'os')
        await loadLogs(found)
        await checkRecovered(found, life.steps, checkpointed)
      }
    } catch (error) {
      throw new Error(`crash at operation ${crashAt}`, { cause: error })
    }
  }
})
