/**
 * A scene: one broker on a machine of its own in virtual time, connections to it that a scenario holds, cuts and lets go, and
 * what the log, the coordinators and a read_committed consumer say afterwards.
 *
 * Every scene ends with the questions that matter whatever it was about (`endsWell`): is any transaction left open, does any
 * partition keep readers waiting, and does the broker say the same of everything after a power cut.
 */
import assert from 'node:assert/strict'
import { partitionFor } from '../../../src/base/java-hash.ts'
import { TRANSACTION_STATE_TOPIC, decodeTransactionRecord } from '../../../src/broker/coordinator-log.ts'
import { describeProducers } from '../../../src/protocol/messages/describe-producers.ts'
import { describeTransactions } from '../../../src/protocol/messages/describe-transactions.ts'
import { listGroups } from '../../../src/protocol/messages/list-groups.ts'
import { listOffsets } from '../../../src/protocol/messages/list-offsets.ts'
import { listTransactions } from '../../../src/protocol/messages/list-transactions.ts'
import { metadata } from '../../../src/protocol/messages/metadata.ts'
import { offsetFetch } from '../../../src/protocol/messages/offset-fetch.ts'
import { batches, readRecords } from '../../../src/protocol/record-batch.ts'
import { type BrokerNode, type CrashDamage, simulation } from '../../../src/testing/index.ts'
import type { Simulation } from '../../../src/testing/simulation.ts'
import { ConnectionClosed, WireClient } from '../../../src/testing/wire-client.ts'
import { TestClient } from '../../broker/test-broker.ts'

export type TransactionVersion = 1 | 2

export const VERSIONS: readonly TransactionVersion[] = [1, 2]

export interface SceneOptions {
  readonly seed?: number
  /** Of the topic `t`. */
  readonly partitions?: number
  readonly properties?: Readonly<Record<string, string>>
}

const PARTITIONS = 2
const HOST = 'broker'
const PORT = 9092
const RETRY_MS = 10
/** Above the longest timeout of a transaction in a scene, and the coordinator's look for those that are past it. */
const CALM_MS = 120_000
/** Of virtual time, for a scene: who waits for something that never comes does not wait for long. */
const LIMIT_MS = 1_800_000
/** Of `__transaction_state`. */
export const STATE_PARTITIONS = 50
const CODES = ['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort']
const EARLIEST = -2
const MAX_DECOMPRESSED_BYTES = 10_000_000

export class Scene {
  readonly sim: Simulation
  readonly broker: BrokerNode
  #asker: TestClient | undefined
  #readers = 0

  constructor({ seed = 1, properties = {} }: SceneOptions) {
    this.sim = simulation(seed)
    this.broker = this.sim.broker({
      name: HOST,
      port: PORT,
      properties: {
        'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500',
        'group.initial.rebalance.delay.ms': '0',
        ...properties,
      },
    })
  }

  pause(ms: number): Promise<void> {
    return this.sim.pause(ms)
  }

  /** A connection of its own, as soon as the broker takes one. */
  async connect(): Promise<TestClient> {
    for (;;) {
      try {
        const { network, clock } = this.sim
        return new TestClient(await WireClient.connect(network, { host: HOST, port: PORT }), clock)
      } catch (error) {
        if (!['ECONNREFUSED', 'ECONNRESET'].includes(String((error as { code?: string }).code))) throw error
        await this.pause(RETRY_MS)
      }
    }
  }

  /** What is sent on the newest connection from here on arrives when the function that is returned is called. */
  holdNewest(): () => void {
    const newest = this.sim.network.directions.at(-1)?.connection
    return this.sim.network.disturb({
      kind: 'hold',
      touches: ({ to, connection }) => to === HOST && connection === newest,
    })
  }

  /** Asks on a connection that nothing is done to, again when the broker went away meanwhile. */
  async ask<T>(question: (client: TestClient) => Promise<T>): Promise<T> {
    for (;;) {
      if (this.#asker === undefined || this.#asker.wire.isClosed) this.#asker = await this.connect()
      try {
        return await question(this.#asker)
      } catch (error) {
        if (!(error instanceof ConnectionClosed)) throw error
      }
    }
  }

  /** The machine goes off and on; the broker answers again when this resolves. */
  async powerCut(damage?: CrashDamage): Promise<void> {
    this.broker.powerOff(damage)
    this.broker.start()
    await this.answers()
  }

  /** SIGKILL and a start. */
  async kill(): Promise<void> {
    this.broker.kill()
    this.broker.start()
    await this.answers()
  }

  /** Resolves when the broker answers. */
  async answers(): Promise<void> {
    await this.ask((client) => client.wire.request(metadata, 12, { topics: [], allowAutoTopicCreation: false }))
  }

  /** The power goes at the disk's operation of this number from now (0: the next), in the midst of it; then it comes back. */
  async powerCutAt(operation: number, damage?: CrashDamage): Promise<void> {
    const { disk } = this.broker
    disk.crashAt(disk.operations + operation)
    await disk.crashed
    await this.powerCut(damage)
  }

  /** Batches of a partition in order, with what became of them: `committed 0: a` (0: the epoch), `abort-marker 1`, `plain: b`. */
  async log(topic = 't', partition = 0): Promise<string[]> {
    const lines: string[] = []
    const from = await this.logStart(topic, partition)
    for await (const batch of this.#auditor().rawReader().read({ topic, partition }, from)) {
      const { kind, producerId, producerEpoch, records } = batch
      const values = records.map(({ value }) => (value === null ? null : Buffer.from(value).toString())).join(' ')
      lines.push(`${kind}${producerId < 0 ? '' : ` ${producerEpoch}`}${records.length === 0 ? '' : `: ${values}`}`)
    }
    return lines
  }

  /** Values that a read_committed consumer of ours gets. */
  async committed(topic = 't', partition = 0): Promise<(string | null)[]> {
    const consumer = this.#auditor().consumer({ partitions: [{ topic, partition }], startFrom: 'earliest' })
    const values: (string | null)[] = []
    for (let quiet = 0; quiet < 2; ) {
      const records = await consumer.poll({ timeoutMs: 600 })
      values.push(...records.map(({ value }) => (value === null ? null : String(value))))
      quiet = records.length === 0 ? quiet + 1 : 0
    }
    await consumer.close()
    return values
  }

  /** What the coordinator says of a transactional id. */
  transaction(transactionalId: string) {
    return this.ask(async ({ wire }) => {
      const { transactionStates } = await wire.request(describeTransactions, 0, { transactionalIds: [transactionalId] })
      const [state] = transactionStates
      if (state === undefined) throw new Error('DescribeTransactions answered nothing')
      return state
    })
  }

  /** What the coordinator has written of a transactional id, oldest first: `PrepareCommit 1` (1: the epoch), `forgotten`. */
  async coordinatorLog(transactionalId: string): Promise<string[]> {
    const partition = partitionFor(transactionalId, STATE_PARTITIONS)
    return await this.ask(async (client) => {
      const lines: string[] = []
      for (let next = 0; ; ) {
        const { records } = await client.fetchRaw(TRANSACTION_STATE_TOPIC, next, { partition })
        if (records === null || records.length === 0) return lines
        for (const { header, bytes } of batches(records)) {
          next = header.lastOffset + 1
          for (const each of readRecords(bytes, { maxDecompressedBytes: MAX_DECOMPRESSED_BYTES })) {
            const record = decodeTransactionRecord(each)
            if (record?.transactionalId !== transactionalId) continue
            const { value } = record
            lines.push(value === null ? 'forgotten' : `${CODES[value.transactionStatus]} ${value.producerEpoch}`)
          }
        }
      }
    })
  }

  /** Waits until the transaction of the id is over, markers written. @returns its state */
  async ended(transactionalId = 'tx'): Promise<string> {
    for (let waitedMs = 0; ; waitedMs += 100) {
      const { transactionState } = await this.transaction(transactionalId)
      if (!/^(?:Ongoing|Prepare)/.test(transactionState)) return transactionState
      assert(waitedMs < CALM_MS, `${transactionalId} stays in ${transactionState}`)
      await this.pause(100)
    }
  }

  /** Waits until no transaction holds readers of the partition up. */
  async settled(topic = 't', partition = 0): Promise<void> {
    const from = await this.logStart(topic, partition)
    for (let waitedMs = 0; ; waitedMs += 100) {
      const read = await this.ask((client) => client.fetchRaw(topic, from, { partition, isolation: 1 }))
      assert.equal(read.errorCode, 'NONE')
      if (read.lastStableOffset === read.highWatermark) return
      assert(waitedMs < CALM_MS, `${topic}-${partition} is held up at ${read.lastStableOffset}`)
      await this.pause(100)
    }
  }

  /** First offset that can be read. */
  logStart(topic = 't', partition = 0): Promise<number> {
    return this.ask(async ({ wire }) => {
      const topics = [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: EARLIEST }] }]
      const reply = await wire.request(listOffsets, 5, { replicaId: -1, isolationLevel: 0, topics })
      const found = reply.topics[0]?.partitions[0]
      assert(found?.errorCode === 'NONE')
      return found.offset
    })
  }

  /** Offset of a group in a partition of `t`, or `unstable` while a transaction may change it. */
  offset(groupId = 'g', { partition = 0, requireStable = true } = {}): Promise<number | 'unstable'> {
    return this.ask(async ({ wire }) => {
      const { topics } = await wire.request(offsetFetch, 7, {
        groupId,
        topics: [{ name: 't', partitionIndexes: [partition] }],
        requireStable,
      })
      const read = topics[0]?.partitions[0]
      if (read?.errorCode === 'UNSTABLE_OFFSET_COMMIT') return 'unstable'
      assert.equal(read?.errorCode, 'NONE')
      return read?.committedOffset ?? Number.NaN
    })
  }

  /** No transaction is left open once its time is over, no reader is held up, and a power cut changes nothing of all that is told. */
  async endsWell(): Promise<void> {
    await this.#transactionsEnd()
    const before = await this.#everything()
    await this.powerCut()
    await this.#transactionsEnd()
    assert.deepEqual(await this.#everything(), before)
  }

  async #transactionsEnd(): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += 500) {
      const open = await this.ask(async ({ wire }) => {
        const { transactionStates } = await wire.request(listTransactions, 1, {
          stateFilters: [],
          producerIdFilters: [],
        })
        return transactionStates.filter(({ transactionState }) => /^(?:Ongoing|Prepare)/.test(transactionState))
      })
      if (open.length === 0) break
      assert(waitedMs < CALM_MS, `left open: ${JSON.stringify(open)}`)
      await this.pause(500)
    }
    for (const [topic, partitions] of await this.#topics()) {
      for (let partition = 0; partition < partitions; partition++) {
        await this.settled(topic, partition)
        const producers = await this.ask(async ({ wire }) => {
          const topics = [{ name: topic, partitionIndexes: [partition] }]
          return (await wire.request(describeProducers, 0, { topics })).topics[0]?.partitions[0]?.activeProducers
        })
        const open = producers?.filter(({ currentTxnStartOffset }) => currentTxnStartOffset !== -1)
        assert.deepEqual(open, [], `${topic}-${partition}: left open`)
      }
    }
  }

  async #topics(): Promise<[name: string, partitions: number][]> {
    const { topics } = await this.ask(({ wire }) =>
      wire.request(metadata, 12, { topics: null, allowAutoTopicCreation: false }),
    )
    return topics.filter(({ isInternal }) => !isInternal).map(({ name, partitions }) => [name ?? '', partitions.length])
  }

  async #everything(): Promise<unknown> {
    const all: Record<string, unknown> = {}
    const topics = await this.#topics()
    for (const [topic, partitions] of topics) {
      for (let partition = 0; partition < partitions; partition++) {
        all[`${topic}-${partition}`] = await this.log(topic, partition)
      }
    }
    const ids = await this.ask(async ({ wire }) => {
      const { transactionStates } = await wire.request(listTransactions, 1, { stateFilters: [], producerIdFilters: [] })
      return transactionStates.map(({ transactionalId }) => transactionalId)
    })
    for (const id of ids.slice(0, 50).sort()) all[`transaction ${id}`] = await this.transaction(id)
    const { groups } = await this.ask(({ wire }) => wire.request(listGroups, 4, {}))
    for (const { groupId } of groups) {
      for (const partition of [0, 1]) all[`group ${groupId} ${partition}`] = await this.offset(groupId, { partition })
    }
    return all
  }

  #auditor() {
    this.#readers += 1
    return this.sim.client(`auditor-${this.#readers}`, { requestTimeoutMs: 2_000, retryBackoffMs: 20 }).kafka
  }
}

/** A broker with the topic `t`. The scene has to end well. */
export async function inScene(work: (scene: Scene) => Promise<void>, options: SceneOptions = {}): Promise<void> {
  const scene = new Scene(options)
  await scene.sim.run(async () => {
    await scene.ask((client) => client.createTopic('t', options.partitions ?? PARTITIONS))
    await work(scene)
    await scene.endsWell()
  }, LIMIT_MS)
}
