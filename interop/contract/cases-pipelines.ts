/** The contract of pipelines: processes and brokers are killed, and what came of each input is counted. */
import { strict as assert } from 'node:assert'
import { join } from 'node:path'
import { javaHost } from '../runner/java-host.ts'
import { interopRoot } from '../runner/paths.ts'
import { Program, sleep } from '../runner/programs.ts'
import type { Case, Context } from './context.ts'
import { numbers, until } from './context.ts'
import type { CopierTask } from './copier.ts'

const PARTITIONS = 6

class Copiers {
  readonly #task: CopierTask
  readonly #programs: Program[] = []
  killed = 0

  constructor(task: CopierTask, count: number) {
    this.#task = task
    for (let index = 0; index < count; index += 1) this.#programs.push(this.#start())
  }

  #start(): Program {
    return new Program({
      name: 'copier',
      command: [process.execPath, join(interopRoot, 'contract/copier.ts'), JSON.stringify(this.#task)],
    })
  }

  async killOne(index: number): Promise<void> {
    await this.#programs[index]?.kill()
    this.killed += 1
    this.#programs[index] = this.#start()
  }

  /** Says why when one has ended by itself. */
  check(): void {
    for (const program of this.#programs) {
      if (program.exitCode !== undefined)
        throw new Error(`a copier ended with ${program.exitCode}:\n${program.tail.join('\n')}`)
    }
  }

  async stop(): Promise<void> {
    for (const program of this.#programs) program.signal('SIGTERM')
    await Promise.all(this.#programs.map((program) => program.finish(20_000)))
  }

  async kill(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()))
  }
}

async function feed({ kafka }: Context, topic: string, count: number): Promise<void> {
  const producer = kafka.producer({ deliveryTimeoutMs: 120_000 })
  for (let at = 0; at < count; at += 1_000) {
    const values = Array.from({ length: Math.min(1_000, count - at) }, (_, index) => at + index)
    await producer.send(
      topic,
      values.map((value) => ({ partition: value % PARTITIONS, value: String(value) })),
    )
  }
  await producer.close()
}

async function committedOf({ admin }: Context, groupId: string): Promise<number> {
  const offsets = await admin.listGroupOffsets(groupId, { requireStable: false })
  return offsets.reduce((sum, { offset }) => sum + offset, 0)
}

interface Count {
  readonly lost: number
  readonly duplicated: number
  readonly disordered: number
}

function countOf(
  records: readonly { readonly partition: number; readonly value: Buffer | null }[],
  count: number,
): Count {
  const seen = new Map<string, number>()
  let disordered = 0
  const last = new Map<number, number>()
  for (const { partition, value } of records) {
    const text = String(value)
    seen.set(text, (seen.get(text) ?? 0) + 1)
    if (Number(text) < (last.get(partition) ?? -1)) disordered += 1
    last.set(partition, Number(text))
  }
  const lost = numbers(count).filter((value) => !seen.has(value)).length
  return { lost, duplicated: records.length - seen.size, disordered }
}

function copying(guarantee: 'exactly_once' | 'at_least_once'): (context: Context) => Promise<string> {
  return async (context) => {
    const count = 3_000
    const [from, to] = [await context.topic(PARTITIONS), await context.topic(PARTITIONS)]
    await feed(context, from, count)
    const groupId = context.name('copy')
    const task = {
      brokers: context.target.addresses,
      groupId,
      from,
      to,
      guarantee,
      workers: 1,
      workMs: 60,
      maxRecords: 25,
    }
    const copiers = new Copiers(task, 2)
    try {
      let round = 0
      await until(
        'everything copied',
        async () => {
          copiers.check()
          const committed = await committedOf(context, groupId)
          if (committed >= count) return true
          if (committed > (round + 1) * 400 && round < 5) {
            await copiers.killOne(round % 2)
            round += 1
          }
          await sleep(100)
          return false
        },
        100_000,
      )
      await copiers.stop()
    } finally {
      await copiers.kill()
    }
    const { lost, duplicated, disordered } = countOf(await context.read(to), count)
    assert.equal(lost, 0, `${lost} lost`)
    if (guarantee === 'exactly_once') assert.deepEqual({ duplicated, disordered }, { duplicated: 0, disordered: 0 })
    return `${copiers.killed} processes killed, ${lost} lost, ${duplicated} duplicated`
  }
}

/** Rolling, one node at a time, so that two of three are always there; the next one when the cluster is whole again. */
async function killBrokers(
  context: Context,
  topics: readonly string[],
  kills: number,
  isOver: () => boolean,
): Promise<number> {
  const { nodes } = context.target
  let killed = 0
  while (killed < kills && !isOver()) {
    const node = nodes[killed % nodes.length]
    await node?.kill()
    killed += 1
    await sleep(300 + ((killed * 397) % 1_500))
    await node?.start()
    await context.target.whenReady(topics)
  }
  return killed
}

export const pipelineCases: readonly Case[] = [
  { name: 'a pipeline whose processes are killed is exactly once', timeoutMs: 150_000, run: copying('exactly_once') },
  { name: 'at least once loses nothing', timeoutMs: 150_000, run: copying('at_least_once') },
  {
    name: 'a pipeline survives broker after broker being killed',
    on: ['kafka3'],
    timeoutMs: 1_800_000,
    async run(context) {
      const [from, to] = [await context.topic(PARTITIONS), await context.topic(PARTITIONS)]
      const groupId = context.name('chaos')
      const task: CopierTask = {
        brokers: context.target.addresses,
        groupId,
        from,
        to,
        guarantee: 'exactly_once',
        workers: 2,
        workMs: 20,
        maxRecords: 50,
      }
      const copiers = new Copiers(task, 1)
      const producer = context.kafka.producer({ deliveryTimeoutMs: 300_000 })
      let sent = 0
      let isOver = false
      const feeding = (async () => {
        while (!isOver) {
          const values = Array.from({ length: 100 }, (_, index) => sent + index)
          await producer.send(
            from,
            values.map((value) => ({ partition: value % PARTITIONS, value: String(value) })),
          )
          sent += values.length
          await sleep(100)
        }
      })()
      try {
        const killing = killBrokers(context, [from, to], context.kills, () => isOver)
        const killed = await Promise.race([
          killing,
          // Whoever ends early has failed.
          feeding.then(() => Promise.reject(new Error('the feeder ended'))),
        ])
        isOver = true
        await feeding
        await producer.close()
        await until(
          'everything copied',
          async () => {
            copiers.check()
            await sleep(200)
            return (await committedOf(context, groupId)) >= sent
          },
          120_000,
        )
        await copiers.stop()
        const { lost, duplicated, disordered } = countOf(await context.read(to), sent)
        assert.deepEqual({ lost, duplicated, disordered }, { lost: 0, duplicated: 0, disordered: 0 })
        const java = await readByJava(context, to)
        assert.deepEqual(
          countOf(
            java.map((value) => ({ partition: 0, value: Buffer.from(value) })),
            sent,
          ).lost,
          0,
        )
        assert.equal(java.length, sent, 'records that Java reads')
        return `${killed} brokers killed, ${sent} records, 0 lost, 0 duplicated, 0 out of order; Java reads the same`
      } finally {
        isOver = true
        await copiers.kill()
      }
    },
  },
]

/** An independent reader: Kafka's own console consumer. */
async function readByJava(context: Context, topic: string): Promise<string[]> {
  const { exit, out, err } = await javaHost.call('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    '--bootstrap-server',
    context.target.addresses.join(','),
    '--topic',
    topic,
    '--from-beginning',
    '--isolation-level',
    'read_committed',
    '--timeout-ms',
    '8000',
  ])
  const values = out.split('\n').filter((line) => /^\d+$/.test(line))
  if (values.length === 0) throw new Error(`the console consumer read nothing (exit ${exit}): ${err.slice(-500)}`)
  return values
}
