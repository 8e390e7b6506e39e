/** A coordinator with the little of a shell that its tests need: a log, a clock, and markers that are written on call. */
import { assert } from '../../base/assert.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'
import type {
  AddOrVerifyRequest,
  MarkerIntent,
  TransactionCoordinatorOptions,
  TransactionResult,
} from './transaction-coordinator.ts'
import type { TransactionRecord } from './transaction-records.ts'

export const ID = 'transfers-1'
export const MAX_TIMEOUT_MS = 900_000
export const EXPIRATION_MS = 604_800_000
export const TIMEOUT_SCAN_MS = 10_000
export const EXPIRATION_SCAN_MS = 3_600_000
export const V1 = 4
export const V2 = 5
/** Of a producer that names neither id nor epoch. */
export const NOBODY = { producerId: -1, producerEpoch: -1 } as const

export interface Producer {
  readonly producerId: number
  readonly producerEpoch: number
}

export interface Answer extends Producer {
  readonly errorCode: ErrorCode
}

export class TransactionShell {
  coordinator: TransactionCoordinator
  nowMs = 1_700_000_000_000
  /** The finalized transaction.version. */
  level: 0 | 1 | 2 = 2
  nextProducerId = 1000
  readonly log: TransactionRecord[] = []
  /** Decided, markers not written. */
  awaiting: MarkerIntent[] = []
  readonly #overrides: Partial<TransactionCoordinatorOptions>
  #coordinatorEpoch = 1

  constructor(overrides: Partial<TransactionCoordinatorOptions> = {}) {
    this.#overrides = overrides
    this.coordinator = this.#newCoordinator()
    this.coordinator.onLoaded(this.nowMs)
  }

  run<Reply>(result: TransactionResult<Reply>): Reply {
    this.append(result.records)
    return result.reply
  }

  append(records: readonly TransactionRecord[]): void {
    for (const record of records) {
      this.log.push(record)
      this.coordinator.replay(record)
    }
    this.awaiting.push(...this.coordinator.takeMarkerIntents())
  }

  init(options: { id?: string | null; as?: Producer; timeoutMs?: number; version?: number } = {}): Answer {
    const { id: transactionalId = ID, as = NOBODY, timeoutMs: transactionTimeoutMs = 60_000, version = 5 } = options
    const { producerId, producerEpoch } = as
    const flags = { enable2Pc: false, keepPreparedTxn: false }
    const request = { transactionalId, transactionTimeoutMs, producerId, producerEpoch, ...flags }
    const reply = this.run(this.coordinator.initProducerId(request, version, this.nowMs))
    return { ...NOBODY, ...reply } as Answer
  }

  add(producer: Producer, options: { partitions?: number[]; id?: string; version?: 0 | 2 } = {}): ErrorCode[] {
    return this.#ask(producer, 'add', options)
  }

  verify(producer: Producer, options: { partitions?: number[]; id?: string } = {}): ErrorCode[] {
    return this.#ask(producer, 'verify', options)
  }

  end({ producerId, producerEpoch }: Producer, committed: boolean, version = V2, transactionalId = ID): Answer {
    const request = { transactionalId, producerId, producerEpoch, committed }
    return { ...NOBODY, ...this.run(this.coordinator.endTxn(request, version, this.nowMs)) } as Answer
  }

  /** Writes all markers that are due. */
  complete(): MarkerIntent[] {
    const intents = this.awaiting
    this.awaiting = []
    for (const intent of intents) this.append(this.coordinator.markersWritten(intent, [], this.nowMs).records)
    return intents
  }

  pass(ms: number): void {
    this.nowMs += ms
    const deadlineMs = this.coordinator.nextDeadlineMs()
    assert(deadlineMs !== undefined, 'a loaded coordinator has a next deadline')
    if (deadlineMs <= this.nowMs) this.append(this.coordinator.onDeadline(this.nowMs).records)
  }

  /** The log as a later run of the broker reads it. */
  restart(): void {
    this.#coordinatorEpoch += 1
    this.coordinator = this.#newCoordinator()
    // A log holds key and value; what else a record has is gone, and so are tagged fields in version 0.
    for (const { transactionalId, value, valueVersion } of this.log) {
      const untagged = {
        previousProducerId: -1,
        nextProducerId: -1,
        nextProducerEpoch: -1,
        clientTransactionVersion: 0,
      }
      const stored = value === null || valueVersion > 0 ? value : { ...value, ...untagged }
      this.coordinator.replay({ transactionalId, value: stored, valueVersion })
    }
    this.coordinator.onLoaded(this.nowMs)
    this.awaiting = this.coordinator.takeMarkerIntents()
  }

  get state(): string {
    return this.coordinator.stateOf(ID) ?? 'unknown'
  }

  get producer(): Producer {
    const { producerId = -1, producerEpoch = -1 } = this.coordinator.get(ID) ?? {}
    return { producerId, producerEpoch }
  }

  /** Brings the id to an epoch, by producers that come and go. */
  raiseEpochTo(producerEpoch: number): Producer {
    let producer: Producer = this.init()
    // A transaction of version 2 raises it by one; there are too many for that.
    const record = this.log.at(-1)
    assert(record?.value !== null && record?.value !== undefined, 'InitProducerId has written a record')
    if (producer.producerEpoch < producerEpoch - 1) {
      this.append([{ ...record, value: { ...record.value, producerEpoch: producerEpoch - 1 } }])
    }
    if (producer.producerEpoch < producerEpoch) producer = this.init()
    assert(producer.producerEpoch === producerEpoch, `epoch ${producer.producerEpoch} is ${producerEpoch}`)
    return producer
  }

  #ask(
    { producerId, producerEpoch }: Producer,
    mode: AddOrVerifyRequest['mode'],
    { partitions = [0], id = ID, version = 2 }: { partitions?: number[]; id?: string; version?: 0 | 2 },
  ): ErrorCode[] {
    const named = partitions.map((partition) => ({ topic: 't', partition }))
    const request = { transactionalId: id, producerId, producerEpoch, partitions: named, mode }
    return [...this.run(this.coordinator.addOrVerifyPartitions(request, this.nowMs, version))]
  }

  #newCoordinator(): TransactionCoordinator {
    return new TransactionCoordinator({
      coordinatorEpoch: this.#coordinatorEpoch,
      maxTimeoutMs: MAX_TIMEOUT_MS,
      expirationMs: EXPIRATION_MS,
      timeoutScanIntervalMs: TIMEOUT_SCAN_MS,
      expirationScanIntervalMs: EXPIRATION_SCAN_MS,
      limits: { transactionalIdsMax: 1_000_000, partitionsMax: 100 },
      nextProducerId: () => this.nextProducerId++,
      transactionVersion: () => this.level,
      partitionExists: (topic, partition) =>
        ['t', '__consumer_offsets', '__transaction_state'].includes(topic) && partition < 100,
      ...this.#overrides,
    })
  }
}
