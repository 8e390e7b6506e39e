/**
 * A broker: opened on a data directory (or in memory), serving the Kafka protocol until it is closed or fails.
 *
 *     await using broker = await Broker.start({ dataDir: './data', port: 9092 })
 *     console.log(broker.bootstrap)       // 'localhost:9092': what clients connect to
 *
 * Owns the order of starting and stopping. Start: store recovered → catalogue replayed → this run's epoch on disk →
 * partitions, groups and transactions loaded → what was decided before a crash completed → listening.
 * A failed write or flush, or a broken promise of our own, stops the broker: it acknowledges nothing more, says why, and
 * a start on the same directory recovers.
 */
import { newUuid } from '../base/uuid.ts'
import type { Runtime } from '../base/runtime.ts'
import { FetchSessionCache } from '../core/fetch/fetch-session.ts'
import { Catalogue } from '../core/metadata/catalogue.ts'
import type { NewTopic } from '../core/metadata/catalogue.ts'
import { GroupCoordinator } from '../core/group/group-coordinator.ts'
import { TransactionCoordinator } from '../core/transaction/transaction-coordinator.ts'
import { serve } from '../net/server.ts'
import type { Server } from '../net/server.ts'
import { MemoryFileSystem } from '../runtime/memory-file-system.ts'
import { nodeRuntime } from '../runtime/node-runtime.ts'
import { LogStore } from '../storage/log-store.ts'
import type { Durability, RecoverySummary } from '../storage/log-store.ts'
import { Backlog } from './backlog.ts'
import { CatalogueRuntime } from './catalogue-runtime.ts'
import { brokerConfigProblem, brokerOption, loadConfig, withDynamicConfigs } from './config.ts'
import type { BrokerConfig, LoadedConfig } from './config.ts'
import { CONSUMER_OFFSETS_TOPIC, TRANSACTION_STATE_TOPIC } from './coordinator-log.ts'
import { ForwardClock } from './forward-clock.ts'
import { GroupRuntime } from './group-runtime.ts'
import { handlers } from './handlers/index.ts'
import { advertisedEndpoint, advertisedListenerOf, listenerOf, parseHostAndPort } from './listeners.ts'
import type { Endpoint } from './listeners.ts'
import { PartitionTable } from './partition-table.ts'
import { ProducerExpiry } from './producer-expiry.ts'
import { RequestDispatcher } from './request-dispatcher.ts'
import type { BrokerServices, NodeIdentity } from './services.ts'
import { groupOptions, netLimits, partitionStateOptions, storageLimits, transactionOptions } from './settings.ts'
import { topicDefaults } from './topic-config.ts'
import { TransactionRuntime } from './transaction-runtime.ts'

/** Where an in-memory broker's files lie in its file system. */
const MEMORY_DIRECTORY = '/semel'
/** Replaying so many frames takes about a tenth of a second, writing a checkpoint about as long. */
const REPLAYED_FRAMES_WORTH_A_CHECKPOINT = 5000

export interface BrokerOptions {
  /** Directory of all data, created when missing; `.semel` unless given here or as `log.dirs`. */
  readonly dataDir?: string
  /** Keep everything in memory; nothing survives the process. */
  readonly memory?: boolean
  /** Address to listen on; 127.0.0.1 unless given. Comes before `listeners`. */
  readonly host?: string
  /** Port to listen on, 0 for a free one; 9092 unless given. Comes before `listeners`. */
  readonly port?: number
  /** 'HOST:PORT' that clients are told to connect to; the listener itself unless given. */
  readonly advertise?: string
  /** What an acknowledgement means: on disk ('fsync'), in the page cache ('os'); 'memory' is the same as `memory`. */
  readonly durability?: Durability
  /** Kafka's broker configuration by its names, and semel's own under `semel.`. */
  readonly properties?: Readonly<Record<string, string>>
  /** The world to run in; the real one unless given. */
  readonly runtime?: Runtime
}

export class Broker implements AsyncDisposable {
  /** What opening the data found, and how long it took. */
  readonly recovery: RecoverySummary
  readonly durability: Durability
  /** Absolute or relative as given; `undefined` in memory. */
  readonly dataDir: string | undefined
  /** Configuration keys that were given and have no effect here. */
  readonly ignoredProperties: readonly string[]
  /** Resolves with the reason when the broker has stopped by itself; never rejects, pending while it runs. */
  readonly failed: Promise<Error>
  readonly #services: RunningServices
  readonly #server: Server
  readonly #expiry: ProducerExpiry
  readonly #failure: BrokerFailure
  #closing: Promise<void> | undefined

  private constructor(parts: StartedParts) {
    this.#services = parts.services
    this.#server = parts.server
    this.#expiry = parts.expiry
    this.#failure = parts.failure
    this.recovery = parts.services.store.recovery
    this.durability = parts.services.store.durability
    this.dataDir = parts.isInMemory ? undefined : parts.services.dataDirectory
    this.ignoredProperties = parts.services.loadedConfig.ignored
    this.failed = parts.failure.promise
    void this.failed.then(() => this.#abandon())
  }

  /**
   * Recovers the data and serves it. Resolves when clients can connect.
   * @throws ConfigError  a property that is unknown or wrong
   * @throws CorruptionError  flushed data is damaged; names the file, the position and what to do
   * @throws an error with code 'ELOCKED' (another broker has the directory), 'EADDRINUSE', 'EACCES' and the like
   */
  static async start(options: BrokerOptions = {}): Promise<Broker> {
    const loadedConfig = loadConfig(propertiesOf(options))
    const { config } = loadedConfig
    const isInMemory = options.memory === true || config.durability === 'memory'
    const outer = options.runtime ?? nodeRuntime()
    const runtime = isInMemory ? { ...outer, fileSystem: new MemoryFileSystem() } : outer
    const listener = listenerOf(config)
    const advertised = advertisedListenerOf(config)
    const durability = isInMemory ? 'memory' : config.durability
    const dataDirectory = isInMemory ? MEMORY_DIRECTORY : (config.logDirs ?? '.semel')
    const store = await LogStore.open({
      runtime,
      directory: dataDirectory,
      durability,
      limits: storageLimits(config),
    })
    try {
      const failure = new BrokerFailure(runtime)
      store.onFailure((error) => failure.fail(error))
      const services = await openServices(runtime, loadedConfig, store, dataDirectory)
      const dispatcher = new RequestDispatcher(services, (error) => failure.fail(error))
      const server = await listen(services, dispatcher, listener)
      services.node = { ...services.node, ...advertisedEndpoint(advertised, server) }
      const expiry = new ProducerExpiry(services)
      expiry.start()
      services.transactions.start()
      // A broker that is killed again and again should not replay more each time. A failure stops the broker by itself.
      if (store.recovery.framesReplayed > REPLAYED_FRAMES_WORTH_A_CHECKPOINT) store.checkpoint().catch(() => undefined)
      return new Broker({ services, server, expiry, failure, isInMemory })
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Address that is listened on. */
  get host(): string {
    return this.#server.host
  }

  get port(): number {
    return this.#server.port
  }

  /** What clients are told to connect to, as 'host:port'. */
  get bootstrap(): string {
    const { host, port } = this.#services.node
    return `${host.includes(':') ? `[${host}]` : host}:${port}`
  }

  get clusterId(): string {
    return this.#services.node.clusterId
  }

  /** The first reason why the broker stopped by itself, if it did. */
  get failure(): Error | undefined {
    return this.#failure.error
  }

  /** Stops serving, makes everything durable and writes a checkpoint, so that the next start replays nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    const { groups, transactions, store, config } = this.#services
    this.#expiry.stop()
    // Who waits for a rebalance or for data must not hold up the stop.
    groups.stop()
    this.#services.isStopping = true
    for (const partition of this.#services.partitions) partition.wake()
    await this.#server.close(this.failure === undefined ? config.shutdownGraceMs : 0)
    transactions.stop()
    await store.close()
  }

  /** After a failure: no answer leaves any more, and every client sees its connection close. */
  #abandon(): void {
    this.#expiry.stop()
    this.#services.groups.stop()
    this.#services.transactions.stop()
    void this.#server.close(0)
  }
}

interface StartedParts {
  readonly services: RunningServices
  readonly server: Server
  readonly expiry: ProducerExpiry
  readonly failure: BrokerFailure
  readonly isInMemory: boolean
}

/** Remembers the first failure and tells it once. */
class BrokerFailure {
  error: Error | undefined
  readonly promise: Promise<Error>
  readonly #resolve: (error: Error) => void
  readonly #runtime: Runtime

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    const { promise, resolve } = Promise.withResolvers<Error>()
    this.promise = promise
    this.#resolve = resolve
  }

  fail(error: Error): void {
    if (this.error !== undefined) return
    this.error = error
    this.#runtime.logger.error('the broker has stopped and acknowledges nothing more; start it again to recover', {
      reason: error.message,
      cause: error.cause instanceof Error ? error.cause.message : undefined,
      stack: error.stack,
    })
    this.#resolve(error)
  }
}

/** The services of a running broker; what changes over its life. */
interface RunningServices extends BrokerServices {
  node: NodeIdentity
  isStopping: boolean
}

/** Everything between the recovered store and the first connection. */
async function openServices(
  runtime: Runtime,
  loadedConfig: LoadedConfig,
  store: LogStore,
  dataDirectory: string,
): Promise<RunningServices> {
  const current = { config: loadedConfig.config }
  const partitions = new PartitionTable(store, runtime.events)
  const catalogue = new Catalogue({
    nodeId: current.config.nodeId,
    maxPartitions: current.config.maxPartitions,
    defaultPartitionCount: () => current.config.numPartitions,
    topicDefaults: () => topicDefaults(current.config),
    brokerOption: (name) => brokerOption(name)?.option,
    brokerConfigProblem: (texts) => brokerConfigProblem(loadedConfig, texts),
  })
  const catalogueRuntime = new CatalogueRuntime(
    catalogue,
    runtime,
    store,
    partitions,
    partitionStateOptions(current.config),
  )
  await catalogueRuntime.load()
  const { nodeId, clusterId: configuredClusterId, brokerRack } = current.config
  checkClusterId(catalogue.clusterId, configuredClusterId)
  const { records, reply: start } = catalogue.decideStart(() => configuredClusterId ?? newUuid(runtime.random))
  partitions.leaderEpoch = start.brokerEpoch
  catalogueRuntime.commit(records)
  const applySettings = (): void => {
    const dynamic = [catalogue.brokerConfigs(''), catalogue.brokerConfigs(String(nodeId))]
    current.config = withDynamicConfigs(loadedConfig, ...dynamic)
    catalogueRuntime.refreshTopicConfigs()
  }
  applySettings()
  await catalogueRuntime.openPartitions()
  await createInternalTopics(catalogueRuntime, current.config)

  const coordinatorClock = new ForwardClock(runtime.clock)
  const groups = new GroupRuntime(
    new GroupCoordinator(
      groupOptions(runtime, current.config, catalogue, (groupId) => groups.partitionIndexOf(groupId)),
    ),
    coordinatorClock,
    store,
    partitions,
  )
  const transactions: TransactionRuntime = new TransactionRuntime(
    new TransactionCoordinator(transactionOptions(current.config, catalogue, partitions, catalogueRuntime)),
    runtime,
    coordinatorClock,
    store,
    partitions,
    groups,
    catalogueRuntime,
  )
  catalogueRuntime.listen({
    onSettingsChanged: applySettings,
    onTopicDeleted: (topic) => groups.topicDeleted(topic),
  })
  store.producerStateOf = (log) => partitions.getById(log.topicId, log.partition)?.state.snapshot()
  await groups.load()
  await transactions.load()
  // This run's epoch fences the markers of the last one: it has to be on disk before anybody is served.
  await store.whenDurable(store.appendedLsn)
  const { maxIncrementalFetchSessionCacheSlots: slots } = current.config
  return {
    runtime,
    get config() {
      return current.config
    },
    loadedConfig,
    node: { nodeId, clusterId: start.clusterId, host: '', port: 0, rack: brokerRack ?? null },
    dataDirectory,
    store,
    partitions,
    catalogue: catalogueRuntime,
    transactions,
    groups,
    fetchSessions: new FetchSessionCache({ slots, partitionsMax: slots * 1000, minEvictionMs: 120_000 }),
    backlog: new Backlog(store, runtime.clock, () => current.config.pendingMaxBytes),
    isStopping: false,
    handlers,
  }
}

function checkClusterId(stored: string | undefined, configured: string | undefined): void {
  if (stored === undefined || configured === undefined || stored === configured) return
  throw new Error(
    `the data belongs to cluster ${stored}, the configuration says cluster.id=${configured}: ` +
      'remove the setting or use another data directory',
  )
}

/** Kafka creates them when they are first needed; here they are there before the first client is. */
async function createInternalTopics(catalogue: CatalogueRuntime, config: BrokerConfig): Promise<void> {
  const internal = (name: string, partitionCount: number, segmentBytes: number, compression: string): NewTopic => ({
    name,
    partitionCount,
    replicationFactor: 1,
    assignments: [],
    configs: [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'compression.type', value: compression },
      { name: 'segment.bytes', value: String(segmentBytes) },
    ],
  })
  const missing = [
    internal(
      TRANSACTION_STATE_TOPIC,
      config.transactionStateLogNumPartitions,
      config.transactionStateLogSegmentBytes,
      'uncompressed',
    ),
    internal(CONSUMER_OFFSETS_TOPIC, config.offsetsTopicNumPartitions, config.offsetsTopicSegmentBytes, 'producer'),
  ].filter(({ name }) => catalogue.topic(name) === undefined)
  if (missing.length === 0) return
  for (const result of await catalogue.createTopics(missing, { origin: 'broker', validateOnly: false })) {
    if (result.error !== 'NONE')
      throw new Error(`cannot create ${result.name}: ${result.error} ${result.message ?? ''}`)
  }
}

async function listen(services: BrokerServices, dispatcher: RequestDispatcher, listener: Endpoint): Promise<Server> {
  const { network, clock, logger, events } = services.runtime
  return serve({
    network,
    clock,
    logger,
    events,
    host: listener.host,
    port: listener.port,
    limits: () => netLimits(services.config),
    onFrame: (connection, frame, sequence) => dispatcher.onFrame(connection, frame, sequence),
    onClose: (connection) => dispatcher.onClose(connection),
  })
}

/** The options of the library laid over the properties, under the names that these have. */
function propertiesOf(options: BrokerOptions): Record<string, string> {
  const properties = { ...options.properties }
  const { dataDir, durability, host, port, advertise } = options
  if (dataDir !== undefined) properties['log.dirs'] = dataDir
  if (durability !== undefined) properties['semel.durability'] = durability
  if (host !== undefined || port !== undefined) {
    const given = listenerOf(loadConfig(options.properties ?? {}).config)
    properties['listeners'] = `PLAINTEXT://${bracketed(host ?? given.host)}:${port ?? given.port}`
  }
  if (advertise !== undefined) {
    const endpoint = parseHostAndPort(advertise)
    properties['advertised.listeners'] = `PLAINTEXT://${bracketed(endpoint.host)}:${endpoint.port}`
  }
  return properties
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
