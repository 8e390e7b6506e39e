/** Three nodes of Apache Kafka (KRaft, each broker and controller), which keep every record three times and need two for an answer. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, HOST, OwnBroker, START_TIMEOUT_MS, TEST_SETTINGS } from '../runner/brokers.ts'
import { javaCommand } from '../runner/clients.ts'
import { run } from '../runner/programs.ts'

const NODES = 3
const CLUSTER_ID = Buffer.from('semel-contract-3').toString('base64url')

interface Ports {
  readonly broker: number
  readonly controller: number
}

class ClusterNode extends OwnBroker {
  readonly kind = 'kafka'
  readonly nodeId: number
  readonly dataDirectory: string
  readonly #all: readonly Ports[]

  constructor(nodeId: number, all: readonly Ports[]) {
    super((all[nodeId - 1] as Ports).broker)
    this.nodeId = nodeId
    this.#all = all
    this.dataDirectory = join(this.directory, 'data')
  }

  get #propertiesFile(): string {
    return join(this.directory, 'server.properties')
  }

  async format(): Promise<void> {
    mkdirSync(this.dataDirectory, { recursive: true })
    const { broker, controller } = this.#all[this.nodeId - 1] as Ports
    const voters = this.#all.map((ports, index) => `${index + 1}@${HOST}:${ports.controller}`)
    const properties = {
      'process.roles': 'broker,controller',
      'node.id': String(this.nodeId),
      'controller.quorum.voters': voters.join(','),
      listeners: `PLAINTEXT://${HOST}:${broker},CONTROLLER://${HOST}:${controller}`,
      'advertised.listeners': `PLAINTEXT://${HOST}:${broker},CONTROLLER://${HOST}:${controller}`,
      'inter.broker.listener.name': 'PLAINTEXT',
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
      'log.dirs': this.dataDirectory,
      // A node that is killed is noticed in seconds, and leaders go back to where they belong soon after its return.
      'broker.session.timeout.ms': '3000',
      'broker.heartbeat.interval.ms': '500',
      'controller.quorum.election.timeout.ms': '500',
      'controller.quorum.fetch.timeout.ms': '1000',
      'auto.leader.rebalance.enable': 'true',
      'leader.imbalance.check.interval.seconds': '3',
      'leader.imbalance.per.broker.percentage': '0',
      'default.replication.factor': String(NODES),
      'min.insync.replicas': '2',
      'offsets.topic.replication.factor': String(NODES),
      'transaction.state.log.replication.factor': String(NODES),
      'transaction.state.log.min.isr': '2',
      'share.coordinator.state.topic.replication.factor': String(NODES),
      'share.coordinator.state.topic.min.isr': '2',
      'offsets.topic.num.partitions': '6',
      'transaction.state.log.num.partitions': '6',
      'group.min.session.timeout.ms': '1000',
      ...TEST_SETTINGS,
    }
    writeFileSync(
      this.#propertiesFile,
      Object.entries(properties)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    )
    const format = await run({
      name: 'format',
      command: javaCommand('kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', this.#propertiesFile),
      timeoutMs: START_TIMEOUT_MS,
    })
    if (format.exitCode !== 0) throw new Error(`node ${this.nodeId} could not be formatted:\n${format.tail.join('\n')}`)
  }

  protected command(): readonly string[] {
    return javaCommand('kafka.Kafka', this.#propertiesFile)
  }
}

export async function makeKafkaCluster(): Promise<readonly ClusterNode[]> {
  const all: Ports[] = []
  for (let index = 0; index < NODES; index += 1) all.push({ broker: await freePort(), controller: await freePort() })
  const nodes = all.map((_, index) => new ClusterNode(index + 1, all))
  for (const node of nodes) await node.format()
  return nodes
}
