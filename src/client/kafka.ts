/**
 * The entry to a cluster: holds how it is reached, makes producers, consumers, admins and pipelines, and closes them.
 *
 * Each of them has connections of its own, as brokers answer one connection's requests one after the other: a consumer
 * that waits for data must not hold up a producer.
 */
import { createRequire } from 'node:module'
import { nodeRuntime } from '../runtime/node-runtime.ts'
import { Cluster } from './cluster/cluster.ts'
import type { ClusterOptions } from './cluster/cluster-options.ts'
import { KafkaError } from './errors.ts'
import { type CheckedKafkaOptions, type KafkaOptions, kafkaOptions, parseBroker } from './kafka-options.ts'
import { Admin, type AdminOptions } from './admin/admin.ts'
import { Consumer } from './consumer/consumer.ts'
import type { ConsumerOptions } from './consumer/consumer-options.ts'
import { checkOptions } from './options.ts'
import { Pipeline } from './pipeline/pipeline.ts'
import type { PipelineOptions } from './pipeline/pipeline-options.ts'
import { Producer } from './producer/producer.ts'
import type { ProducerOptions } from './producer/producer-options.ts'
import { RawReader } from './raw-reader.ts'
import type { AnyTopic, KeyOf, ValueOf } from './topic.ts'

interface Closable {
  close(): Promise<void>
}

export class Kafka implements AsyncDisposable {
  readonly #options: CheckedKafkaOptions
  readonly #cluster: ClusterOptions
  readonly #open = new Set<Closable>()
  #isClosed = false

  /** Connects to nothing yet. Throws INVALID_OPTION. */
  constructor(options: KafkaOptions) {
    this.#options = checkOptions('KafkaOptions', options, kafkaOptions)
    const { logger, runtime, brokers, ...rest } = this.#options
    const world = runtime ?? nodeRuntime(logger === undefined ? {} : { logger })
    this.#cluster = {
      ...rest,
      bootstrap: brokers.map(parseBroker),
      softwareVersion: packageVersion(),
      runtime: logger === undefined ? world : { ...world, logger },
      autoCreateTopics: true,
    }
  }

  /** Idempotent; transactional with a `transactionalId`. Connects at first use. Throws INVALID_OPTION. */
  producer(options: ProducerOptions = {}): Producer {
    return this.#keep(new Producer(this.#newCluster(), options))
  }

  /** Reads committed records of topics or partitions, in a group or alone. Connects at first use. Throws INVALID_OPTION. */
  consumer<T extends AnyTopic = string>(options: ConsumerOptions<T>): Consumer<KeyOf<T>, ValueOf<T>> {
    const autoCreateTopics = options.autoCreateTopics ?? true
    return this.#keep(new Consumer<KeyOf<T>, ValueOf<T>>(this.#newCluster({ autoCreateTopics }), options))
  }

  /** Looks at the cluster and changes it. Connects at first use. Throws INVALID_OPTION. */
  admin(options: AdminOptions = {}): Admin {
    return this.#keep(new Admin(this.#newCluster({ autoCreateTopics: false }), options))
  }

  /** Reads logs as they are stored, markers and aborted records included: for tools that explain or verify. */
  rawReader(): RawReader {
    return this.#keep(new RawReader(this.#newCluster({ autoCreateTopics: false })))
  }

  /** Reads, processes and writes, exactly once unless told otherwise. Connects when it is run. Throws INVALID_OPTION. */
  pipeline<T extends AnyTopic = string>(options: PipelineOptions<T>): Pipeline<T> {
    return this.#keep(
      new Pipeline<T>(options, {
        runtime: this.#cluster.runtime,
        consumer: (groupId, topics, listener, tuning) =>
          new Consumer(this.#newCluster(), {
            ...tuning,
            groupId,
            topics,
            autoCommit: false,
            onRevoked: (partitions) => listener.onRevoked(partitions),
            onLost: (partitions) => listener.onLost(partitions),
          }),
        producer: (transactionalId, transactionTimeoutMs, tuning) =>
          new Producer(
            this.#newCluster(),
            transactionalId === undefined ? tuning : { ...tuning, transactionalId, transactionTimeoutMs },
          ),
      }),
    )
  }

  /** Closes everything made from it; transactions that are open are aborted. */
  async close(): Promise<void> {
    this.#isClosed = true
    const results = await Promise.allSettled([...this.#open].map((one) => one.close()))
    this.#open.clear()
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #keep<C extends Closable>(one: C): C {
    this.#open.add(one)
    return one
  }

  #newCluster(options: Partial<ClusterOptions> = {}): Cluster {
    if (this.#isClosed) throw new KafkaError('CLOSED', 'this Kafka instance was closed; make a new one')
    return new Cluster({ ...this.#cluster, ...options })
  }
}

function packageVersion(): string {
  return (createRequire(import.meta.url)('../../package.json') as { version: string }).version
}
