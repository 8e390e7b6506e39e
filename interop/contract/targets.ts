/** What the contract suite runs against: semel, one node of Apache Kafka, three of them. */
import { Kafka, KafkaError } from '../../src/client/index.ts'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import { type Broker, makeBroker } from '../runner/brokers.ts'
import { sleep } from '../runner/programs.ts'
import { makeKafkaCluster } from './kafka-cluster.ts'

export const TARGETS = ['semel', 'kafka1', 'kafka3'] as const
export type TargetName = (typeof TARGETS)[number]

const READY_TIMEOUT_MS = 90_000

export class Target {
  readonly name: TargetName
  readonly nodes: readonly Broker[]

  private constructor(name: TargetName, nodes: readonly Broker[]) {
    this.name = name
    this.nodes = nodes
  }

  static async start(name: TargetName): Promise<Target> {
    const settings = { 'group.min.session.timeout.ms': '1000' }
    const nodes =
      name === 'semel'
        ? [await makeBroker('semel', settings)]
        : name === 'kafka1'
          ? [await makeBroker('kafka', settings)]
          : await makeKafkaCluster()
    const target = new Target(name, nodes)
    await Promise.all(nodes.map((node) => node.start()))
    await target.whenReady()
    return target
  }

  get replicationFactor(): number {
    return this.nodes.length
  }

  get addresses(): string[] {
    return this.nodes.map(({ address }) => address)
  }

  kafka(options: { readonly clientId?: string } = {}): Kafka {
    return new Kafka({ brokers: this.addresses, clientId: options.clientId ?? 'contract', requestTimeoutMs: 15_000 })
  }

  /** A client whose connections to one broker go through another port. */
  kafkaThrough(broker: { readonly host: string; readonly port: number }, port: number): Kafka {
    const runtime = nodeRuntime()
    const { network } = runtime
    return new Kafka({
      brokers: this.addresses,
      requestTimeoutMs: 5_000,
      runtime: {
        ...runtime,
        network: {
          listen: (options, onConnection) => network.listen(options, onConnection),
          connect: (options) => network.connect(options.port === broker.port ? { ...options, port } : options),
        },
      },
    })
  }

  /** Every node answers, and every partition of these topics has all its replicas in sync. */
  async whenReady(topics: readonly string[] = []): Promise<void> {
    const deadlineMs = Date.now() + READY_TIMEOUT_MS
    await using kafka = this.kafka()
    const admin = kafka.admin({ timeoutMs: 20_000 })
    for (;;) {
      try {
        const { brokers } = await admin.describeCluster()
        const described = topics.length === 0 ? [] : await admin.describeTopics(topics)
        const isWhole = described.every(({ layout }) =>
          layout.every(
            ({ leaderId, inSyncReplicaIds }) =>
              leaderId !== undefined && inSyncReplicaIds.length === this.replicationFactor,
          ),
        )
        if (brokers.length === this.nodes.length && isWhole) return
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
      }
      if (Date.now() > deadlineMs) throw new Error(`${this.name} is not whole after ${READY_TIMEOUT_MS} ms`)
      await sleep(200)
    }
  }

  /** Live, as an operator would. */
  async setTransactionVersion(level: 1 | 2): Promise<void> {
    await using kafka = this.kafka()
    const admin = kafka.admin()
    const current = (await admin.describeFeatures()).find(({ name }) => name === 'transaction.version')?.level ?? 0
    if (current === level) return
    await admin.updateFeature('transaction.version', level, { mode: level > current ? 'upgrade' : 'safe-downgrade' })
    // Brokers learn of it one after the other.
    for (const deadlineMs = Date.now() + READY_TIMEOUT_MS; ; ) {
      await using fresh = this.kafka()
      const features = await fresh.admin().describeFeatures()
      if (features.find(({ name }) => name === 'transaction.version')?.level === level) break
      if (Date.now() > deadlineMs) throw new Error(`transaction.version did not become ${level}`)
      await sleep(200)
    }
    await sleep(this.nodes.length > 1 ? 1_000 : 100)
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
    for (const node of this.nodes) node.remove()
  }
}
