/**
 * One run of a user's application in a simulated world: topics, input, processes that are begun anew when they end, faults, and after
 * those the time to finish; then what it has committed.
 */
import { type Admin, Kafka, type KafkaOptions, type TopicPartition } from '../client/index.ts'
import type { Application, ApplicationContext } from './simulate.ts'
import type { OutputRecord } from './simulate-output.ts'
import { SimRandom } from './sim-random.ts'
import { BrokerNode } from './world/broker-node.ts'
import { type FaultKind, inflict, type PlannedFault, type Victim } from './world/faults.ts'
import type { SimProcess } from './world/sim-process.ts'
import { World } from './world/world.ts'

export interface InputRecord {
  readonly topic: string
  readonly key?: string | null
  readonly value: string | null
  readonly partition?: number
}

export interface ApplicationRun {
  readonly seed: number
  readonly topics: Readonly<Record<string, number>>
  readonly input: readonly InputRecord[]
  readonly output: readonly string[]
  readonly application: (context: ApplicationContext) => Application
  readonly processes: number
  readonly durationMs: number
  readonly faults: readonly PlannedFault[]
}

export interface ApplicationResult {
  readonly output: readonly OutputRecord[]
  /** What went wrong beside the output, one line each. */
  readonly problems: readonly string[]
  readonly inflicted: readonly FaultKind[]
  readonly virtualMs: number
}

const PORT = 9092
const BROKER = 'broker'
const TAKE_OVER_MS = 500
/** After the faults: for timeouts of sessions and transactions to pass, and the rest of the input to be processed. */
const FINISH_LIMIT_MS = 15 * 60_000
const STOP_LIMIT_MS = 120_000
const POLL_MS = 500
const HOUR_MS = 3_600_000
const BROKER_PROPERTIES = {
  'semel.journal.file.bytes': String(1024 * 1024),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '2000',
}

export async function runApplication(run: ApplicationRun): Promise<ApplicationResult> {
  const world = new World(run.seed)
  const broker = new BrokerNode(world, { name: BROKER, port: PORT, properties: BROKER_PROPERTIES })
  broker.start()
  const staged = new StagedApplication(world, broker, run)
  const broken = broker.broken.then((reason) => {
    throw new Error(`the broker does not start: ${reason.message}`, { cause: reason })
  })
  const { output, problems } = await world
    .run(Promise.race([staged.play(), broken]), run.durationMs + 4 * FINISH_LIMIT_MS)
    .catch((error: Error) => ({ output: [], problems: [error.message] }))
  return {
    output,
    problems,
    inflicted: staged.inflicted,
    virtualMs: world.clock.monotonicMs(),
    events: world.trace.events,
  } as never
}

interface Part {
  readonly process: SimProcess
  readonly victim: Victim
  readonly application: Application
}

class StagedApplication {
  readonly inflicted: FaultKind[] = []
  readonly #world: World
  readonly #broker: BrokerNode
  readonly #run: ApplicationRun
  readonly #parts = new Map<number, Part>()
  /** The input and the judge are not the application's: nothing is done to them. */
  readonly #outside: Kafka
  readonly #admin: Admin
  #isEnding = false
  #failures: string[] = []

  constructor(world: World, broker: BrokerNode, run: ApplicationRun) {
    this.#world = world
    this.#broker = broker
    this.#run = run
    this.#outside = this.#kafka(world.process('outside'))
    this.#admin = this.#outside.admin()
  }

  async play(): Promise<{ output: readonly OutputRecord[]; problems: readonly string[] }> {
    const { faults, processes, topics } = this.#run
    for (const [topic, partitions] of Object.entries(topics)) await this.#createTopic(topic, partitions)
    for (let index = 0; index < processes; index += 1) this.#begin(index)
    const feeding = this.#feed()
    await inflict(faults, {
      world: this.#world,
      brokers: [this.#broker],
      clients: () => [...this.#parts.values()].map(({ victim }) => victim),
      onFault: ({ kind }) => void this.inflicted.push(kind),
    })
    this.#broker.resume()
    this.#broker.start()
    await feeding
    const problems = await this.#finish()
    const output = await this.#readOutput()
    return { output, problems }
  }

  async #createTopic(topic: string, partitions: number): Promise<void> {
    await this.#admin.createTopics([{ topic, partitions }])
  }

  #begin(index: number): void {
    if (this.#isEnding) return
    const name = `application-${index}`
    const process = this.#world.process(name)
    const kafka = this.#kafka(process)
    const pause = (ms: number): Promise<void> => new Promise((resolve) => void process.clock.setTimer(ms, resolve))
    const again = (): void => {
      process.kill()
      if (this.#parts.get(index)?.process !== process) return
      this.#parts.delete(index)
      this.#world.clock.setTimer(TAKE_OVER_MS, () => this.#begin(index))
    }
    const victim: Victim = {
      name,
      pause: () => process.pause(),
      resume: () => process.resume(),
      kill: again,
      stepWallClock: (byMs) => process.stepWallClock(byMs),
    }
    const application = this.#run.application({ kafka, index, pause })
    this.#parts.set(index, { process, victim, application })
    application.run().then(again, (error: unknown) => {
      this.#failures.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
      again()
    })
  }

  /** Each record once: an idempotent producer that nobody kills and that does not give up. */
  async #feed(): Promise<void> {
    const { input, durationMs, seed } = this.#run
    const random = new SimRandom(seed)
    const producer = this.#outside.producer({ deliveryTimeoutMs: HOUR_MS, maxBlockMs: HOUR_MS })
    const meanPauseMs = input.length === 0 ? 0 : durationMs / input.length
    const sends: Promise<unknown>[] = []
    for (const { topic, ...record } of input) {
      sends.push(producer.send(topic, record))
      if (random.chance(0.3)) await this.#world.pause((random.nextUint32() / 2 ** 32) * 6 * meanPauseMs)
    }
    await Promise.all(sends)
    await producer.close()
  }

  /** Until nobody commits anything new and no transaction is open. */
  async #finish(): Promise<readonly string[]> {
    const deadlineMs = this.#world.clock.monotonicMs() + FINISH_LIMIT_MS
    let behind: readonly string[] = []
    while (this.#world.clock.monotonicMs() < deadlineMs) {
      behind = await this.#unfinished()
      if (behind.length === 0) break
      await this.#world.pause(POLL_MS)
    }
    this.#isEnding = true
    const stopping = Promise.allSettled([...this.#parts.values()].map(({ application }) => application.stop()))
    await Promise.race([stopping, this.#world.pause(STOP_LIMIT_MS)])
    if (behind.length === 0) return []
    const failures = [...new Set(this.#failures)].slice(0, 3)
    const because = failures.length === 0 ? '' : `; processes ended with: ${failures.join('; ')}`
    return [`not finished ${FINISH_LIMIT_MS / 60_000} minutes after the last fault: ${behind.join(', ')}${because}`]
  }

  async #unfinished(): Promise<readonly string[]> {
    const found: string[] = []
    const groups = await this.#admin.listGroups()
    if (groups.length === 0 && this.#run.input.length > 0) return ['no group has read anything']
    for (const { groupId } of groups) {
      for (const { topic, partition, lag } of await this.#admin.groupLag(groupId))
        if (lag !== undefined && lag > 0) found.push(`${groupId} is ${lag} behind in ${topic}-${partition}`)
    }
    const read = new Set<string>()
    for (const { groupId } of groups)
      for (const { topic, partition } of await this.#admin.listGroupOffsets(groupId)) read.add(`${topic}-${partition}`)
    const partitions = this.#partitions(Object.keys(this.#run.topics))
    const stable = await this.#ends(partitions, 'read_committed')
    const high = await this.#ends(partitions, 'read_uncommitted')
    const inputs = new Set(this.#run.input.map(({ topic }) => topic))
    for (const [index, { topic, partition }] of partitions.entries()) {
      if ((stable[index] as number) < (high[index] as number))
        found.push(`a transaction is open in ${topic}-${partition}`)
      if (inputs.has(topic) && (high[index] as number) > 0 && !read.has(`${topic}-${partition}`))
        found.push(`nobody has read ${topic}-${partition}`)
    }
    return found
  }

  async #readOutput(): Promise<readonly OutputRecord[]> {
    const partitions = this.#partitions(this.#run.output)
    const ends = await this.#ends(partitions, 'read_uncommitted')
    const consumer = this.#outside.consumer({ partitions, startFrom: 'earliest' })
    const output: OutputRecord[] = []
    const isBehind = (): boolean =>
      partitions.some((partition, index) => (consumer.position(partition) ?? 0) < (ends[index] as number))
    while (isBehind()) {
      for (const { topic, key, value } of await consumer.poll({ timeoutMs: POLL_MS }))
        output.push({ topic, key: text(key), value: text(value) })
    }
    await consumer.close()
    return output
  }

  async #ends(
    partitions: readonly TopicPartition[],
    isolationLevel: 'read_committed' | 'read_uncommitted',
  ): Promise<readonly number[]> {
    const wanted = partitions.map((partition) => ({ ...partition, at: 'latest' as const }))
    const answers = await this.#admin.listOffsets(wanted, { isolationLevel })
    return answers.map(({ offset = 0 }) => offset)
  }

  #partitions(topics: readonly string[]): readonly TopicPartition[] {
    return topics.flatMap((topic) =>
      Array.from({ length: this.#run.topics[topic] ?? 0 }, (_, partition) => ({ topic, partition })),
    )
  }

  #kafka(process: SimProcess): Kafka {
    const options: KafkaOptions = { brokers: [`${BROKER}:${PORT}`], runtime: this.#world.runtimeOf(process) }
    return new Kafka(options)
  }
}

function text(bytes: unknown): string | null {
  return bytes === null ? null : Buffer.from(bytes as Uint8Array).toString()
}
