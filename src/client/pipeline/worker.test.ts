/** One worker over a scripted consumer and producer: which failure leads where, and that each input takes effect once. */
import { describe, expect, test } from 'vitest'
import { simRuntime } from '../../testing/sim-runtime.ts'
import { KafkaError } from '../errors.ts'
import type { ConsumerRecord } from '../topic.ts'
import { atLeastOnce, atMostOnce, exactlyOnce } from './delivery.ts'
import type { ProcessContext } from './pipeline-options.ts'
import type { Output } from './ports.ts'
import { ScriptedKafka } from './scripted-kafka.test-kit.ts'
import { PipelineWorker, type WorkerParts, type WorkerSettings } from './worker.ts'

const DELIVERIES = { exactly_once: exactlyOnce, at_least_once: atLeastOnce, at_most_once: atMostOnce }

interface Setup {
  readonly settings?: Partial<WorkerSettings>
  readonly guarantee?: keyof typeof DELIVERIES
  readonly process?: (
    records: readonly ConsumerRecord<unknown, unknown>[],
    output: Output,
    signal: AbortSignal,
    offsets: ProcessContext['offsets'],
  ) => Promise<void>
}

const upper = async (records: readonly ConsumerRecord<unknown, unknown>[], output: Output): Promise<void> => {
  for (const { value } of records) await output.send('out', { value: String(value).toUpperCase() })
}

/** Runs until everything is processed or the worker ends by itself. */
async function run(kafka: ScriptedKafka, { settings, guarantee = 'exactly_once', process = upper }: Setup = {}) {
  const runtime = simRuntime(1)
  const parts: WorkerParts = {
    runtime,
    makeConsumer: kafka.makeConsumer,
    makeProducer: kafka.makeProducer,
    makeDelivery: DELIVERIES[guarantee],
    decode: (record) => record,
    process: (records, output, context) => process(records, output, context.signal, context.offsets),
  }
  const worker = new PipelineWorker(
    {
      index: 0,
      groupId: 'g',
      batch: { maxRecords: 3, maxBytes: 1_000, maxWaitMs: 0 },
      retry: { retries: 2, backoffMs: 100, backoffMaxMs: 1_000, producerRestartsMax: 3 },
      onError: 'stop',
      repeatsBatches: guarantee !== 'at_most_once',
      ...settings,
    },
    parts,
  )
  const running = worker.run()
  const watch = async (): Promise<void> => {
    while (!kafka.isIdle || kafka.committed < kafka.input.length) {
      await new Promise<void>((resolve) => runtime.clock.setTimer(10, resolve))
    }
    worker.stop()
  }
  const done = Promise.race([running, watch().then(() => running)])
  await runtime.clock.runUntil(done, 600_000)
  return worker.stats
}

const VALUES = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
const ALL = VALUES.map((value) => value.toUpperCase())
const outOf = (kafka: ScriptedKafka): string[] =>
  kafka.output.filter(({ topic }) => topic === 'out').map(({ value }) => value)

describe('exactly once', () => {
  test('results and offsets go together, batch by batch', async () => {
    const kafka = new ScriptedKafka(VALUES)
    const stats = await run(kafka)
    expect(outOf(kafka)).toEqual(ALL)
    expect(kafka.committed).toBe(7)
    expect(stats).toMatchObject({ recordsProcessed: 7, batchesFinished: 3, batchesFailed: 0 })
    expect(kafka.trace).toEqual(['producer 1 closed', 'consumer closed'])
  })

  test('each batch is told the offsets that are committed with it', async () => {
    const kafka = new ScriptedKafka(VALUES)
    const told: number[][] = []
    await run(kafka, {
      process: async (records, output, _, offsets) => {
        told.push(offsets.map(({ offset }) => offset))
        await upper(records, output)
      },
    })
    expect(told).toEqual([[3], [6], [7]])
  })

  test.each([
    ['begin', 'CONNECTION_FAILED'],
    ['send', 'TRANSACTION_ABORTABLE'],
    ['offsets', 'COORDINATOR_NOT_AVAILABLE'],
    ['commit', 'TRANSACTION_ABORTABLE'],
  ] as const)('a failure in %s that passes by itself is tried again, however often', async (at, code) => {
    const kafka = new ScriptedKafka(VALUES)
    kafka.fail(at, new KafkaError(code, 'x'), { times: 20 })
    await run(kafka)
    expect(outOf(kafka)).toEqual(ALL)
    expect(kafka.producers).toBe(1)
  })

  test.each([true, false])(
    'a commit without an answer is asked for, and done again only if it was not carried out (it was: %s)',
    async (applied) => {
      const kafka = new ScriptedKafka(VALUES)
      kafka.fail('commit', new KafkaError('COMMIT_OUTCOME_UNKNOWN', 'x'), { applied })
      const stats = await run(kafka)
      expect(outOf(kafka)).toEqual(ALL)
      expect(stats).toMatchObject({ outcomesResolved: 1, producersReplaced: 1, recordsProcessed: 7 })
      // Never an abort of what may be committed; the new producer settles it.
      expect(kafka.trace.slice(0, 2)).toEqual(['producer 1 closed', 'init 2'])
    },
  )

  test.each([true, false])(
    'a producer that is fenced in its commit is replaced, and the outcome asked for (carried out: %s)',
    async (applied) => {
      const kafka = new ScriptedKafka(VALUES)
      kafka.fail('commit', new KafkaError('PRODUCER_FENCED', 'x'), { applied })
      await run(kafka)
      expect(outOf(kafka)).toEqual(ALL)
      expect(kafka.producers).toBe(2)
    },
  )

  test('a producer that is fenced again and again ends the pipeline', async () => {
    const kafka = new ScriptedKafka(VALUES)
    kafka.fail('begin', new KafkaError('PRODUCER_FENCED', 'x'), { times: 50 })
    await expect(run(kafka)).rejects.toMatchObject({ code: 'PRODUCER_FENCED' })
    expect(kafka.producers).toBe(4)
  })

  test('an abort that fails costs the producer, not the batch', async () => {
    const kafka = new ScriptedKafka(VALUES)
    kafka.fail('send', new KafkaError('TRANSACTION_ABORTABLE', 'x'))
    kafka.fail('abort', new KafkaError('REQUEST_TIMEOUT', 'x'))
    await run(kafka)
    expect(outOf(kafka)).toEqual(ALL)
    expect(kafka.producers).toBe(2)
  })

  test('offsets of a generation that is over are refused; the batch is dropped and read again', async () => {
    const kafka = new ScriptedKafka(VALUES)
    kafka.fail('offsets', new KafkaError('ILLEGAL_GENERATION', 'x'))
    const stats = await run(kafka)
    expect(outOf(kafka)).toEqual(ALL)
    expect(kafka.trace.slice(0, 2)).toEqual(['abort', 'seek 0'])
    expect(stats.batchesDropped).toBe(1)
  })

  test('a batch whose partition is lost while it is processed is not committed, and its signal is aborted', async () => {
    const kafka = new ScriptedKafka(VALUES)
    let isFirst = true
    let wasAborted = false
    await run(kafka, {
      process: async (records, output, signal) => {
        await upper(records, output)
        if (!isFirst) return
        isFirst = false
        // The partition goes and comes back: another member may have done the batch meanwhile.
        await kafka.listener?.onLost([{ topic: 'in', partition: 0 }])
        wasAborted = signal.aborted
        kafka.committed = 2
        kafka.position = 2
        kafka.output.push(...['A', 'B'].map((value) => ({ topic: 'out', value, headers: {} })))
      },
    })
    expect(wasAborted).toBe(true)
    expect(outOf(kafka)).toEqual(ALL)
  })

  test('what was gathered of a partition that is lost and comes back is not processed twice, nor left out', async () => {
    const kafka = new ScriptedKafka(['a', 'b', 'c', 'd'])
    const poll = kafka.makeConsumer
    let polls = 0
    const makeConsumer: typeof poll = (listener) => {
      const consumer = poll(listener)
      return {
        ...consumer,
        poll: async (options) => {
          polls += 1
          if (polls !== 2) return consumer.poll({ ...options, maxRecords: 2 })
          // In the middle of gathering: lost, and given back at the committed offset.
          await listener.onLost([{ topic: 'in', partition: 0 }])
          kafka.position = kafka.committed
          return consumer.poll({ ...options, maxRecords: 1 })
        },
      }
    }
    kafka.makeConsumer = makeConsumer
    await run(kafka, { settings: { batch: { maxRecords: 3, maxBytes: 1_000, maxWaitMs: 50 } } })
    expect(outOf(kafka)).toEqual(['A', 'B', 'C', 'D'])
  })

  test('a permission that is missing ends the pipeline at once', async () => {
    const kafka = new ScriptedKafka(VALUES)
    kafka.fail('offsets', new KafkaError('GROUP_AUTHORIZATION_FAILED', 'x'))
    await expect(run(kafka)).rejects.toMatchObject({ code: 'GROUP_AUTHORIZATION_FAILED' })
    expect(outOf(kafka)).toEqual([])
    expect(kafka.trace).toEqual(['abort', 'producer 1 closed', 'consumer closed'])
  })
})

describe('a record that cannot be processed', () => {
  const poison = async (records: readonly ConsumerRecord<unknown, unknown>[], output: Output): Promise<void> => {
    await upper(records, output)
    if (records.some(({ value }) => String(value) === 'e')) throw new Error('no e, please')
  }

  test("with onError 'stop' ends the pipeline with what happened, after its retries", async () => {
    const kafka = new ScriptedKafka(VALUES)
    await expect(run(kafka, { process: poison })).rejects.toThrow(
      /USER_CODE_FAILED: processing in-0 3…5 failed: no e, please/,
    )
    expect(outOf(kafka)).toEqual(['A', 'B', 'C'])
    expect(kafka.committed).toBe(3)
  })

  test("with onError 'skip' is left out alone, and the order of the others stays", async () => {
    const kafka = new ScriptedKafka(VALUES)
    const stats = await run(kafka, { process: poison, settings: { onError: 'skip' } })
    expect(outOf(kafka)).toEqual(['A', 'B', 'C', 'D', 'F', 'G'])
    expect(stats).toMatchObject({ recordsSkipped: 1, recordsProcessed: 7 })
  })

  test('with a dead-letter topic goes there as it was, with where it came from and why', async () => {
    const kafka = new ScriptedKafka(VALUES)
    const stats = await run(kafka, { process: poison, settings: { onError: { deadLetter: 'dead' } } })
    expect(outOf(kafka)).toEqual(['A', 'B', 'C', 'D', 'F', 'G'])
    expect(kafka.output.filter(({ topic }) => topic === 'dead')).toEqual([
      {
        topic: 'dead',
        value: 'e',
        headers: {
          'semel.deadletter.topic': 'in',
          'semel.deadletter.partition': '0',
          'semel.deadletter.offset': '4',
          'semel.deadletter.group': 'g',
          'semel.deadletter.error': 'no e, please',
        },
      },
    ])
    expect(stats.recordsDeadLettered).toBe(1)
  })

  test('a dead-letter topic that does not take it ends the pipeline: nothing is left out silently', async () => {
    const kafka = new ScriptedKafka(['e'])
    const process = async (): Promise<void> => {
      throw new Error('no e, please')
    }
    kafka.fail('send', new KafkaError('MESSAGE_TOO_LARGE', 'x'), { times: 10 })
    await expect(run(kafka, { process, settings: { onError: { deadLetter: 'dead' } } })).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    })
    expect(kafka.committed).toBe(0)
  })
})

describe('the other guarantees', () => {
  test('at least once: a batch whose offsets are not committed is done again, results and all', async () => {
    const kafka = new ScriptedKafka(['a', 'b'])
    kafka.fail('consumer-commit', new KafkaError('REQUEST_TIMEOUT', 'x'))
    await run(kafka, { guarantee: 'at_least_once' })
    expect(outOf(kafka)).toEqual(['A', 'B', 'A', 'B'])
  })

  test('at least once: offsets are committed only after the results are stored', async () => {
    const kafka = new ScriptedKafka(['a', 'b'])
    kafka.fail('send', new KafkaError('DELIVERY_TIMEOUT', 'x'))
    await run(kafka, { guarantee: 'at_least_once' })
    expect(new Set(outOf(kafka))).toEqual(new Set(['A', 'B']))
    expect(kafka.committed).toBe(2)
  })

  test('at most once: a failure after the offsets were committed loses the batch, and repeats nothing', async () => {
    const kafka = new ScriptedKafka(VALUES)
    kafka.fail('send', new KafkaError('DELIVERY_TIMEOUT', 'x'))
    const stats = await run(kafka, { guarantee: 'at_most_once', settings: { onError: 'skip' } })
    expect(new Set(outOf(kafka)).size).toBe(outOf(kafka).length)
    expect(kafka.committed).toBe(7)
    expect(stats.recordsSkipped).toBe(3)
  })
})

describe('stopping', () => {
  test('finishes the batch at hand and takes no other', async () => {
    const kafka = new ScriptedKafka(VALUES)
    const runtime = simRuntime(1)
    const started = Promise.withResolvers<void>()
    const finish = Promise.withResolvers<void>()
    const worker = workerOf(kafka, runtime, async (records, output) => {
      started.resolve()
      await finish.promise
      await upper(records, output)
    })
    const running = worker.run()
    await started.promise
    worker.stop()
    finish.resolve()
    await runtime.clock.runUntil(running)
    expect(outOf(kafka)).toEqual(['A', 'B', 'C'])
    expect(kafka.committed).toBe(3)
  })

  test('when the deadline is over, a handler that never returns is left behind and its transaction aborted', async () => {
    const kafka = new ScriptedKafka(VALUES)
    const runtime = simRuntime(1)
    const started = Promise.withResolvers<AbortSignal>()
    const worker = workerOf(kafka, runtime, async (_records, _output, signal) => {
      started.resolve(signal)
      await new Promise(() => undefined)
    })
    const running = worker.run()
    const signal = await started.promise
    worker.stopNow()
    await expect(runtime.clock.runUntil(running)).rejects.toMatchObject({ code: 'CLOSED' })
    expect(signal.aborted).toBe(true)
    expect(kafka.trace).toEqual(['abort', 'producer 1 closed', 'consumer closed'])
    expect(kafka.committed).toBe(0)
  })

  function workerOf(
    kafka: ScriptedKafka,
    runtime: ReturnType<typeof simRuntime>,
    process: NonNullable<Setup['process']>,
  ): PipelineWorker {
    return new PipelineWorker(
      {
        index: 0,
        groupId: 'g',
        batch: { maxRecords: 3, maxBytes: 1_000, maxWaitMs: 0 },
        retry: { retries: 2, backoffMs: 100, backoffMaxMs: 1_000, producerRestartsMax: 3 },
        onError: 'stop',
        repeatsBatches: true,
      },
      {
        runtime,
        makeConsumer: kafka.makeConsumer,
        makeProducer: kafka.makeProducer,
        makeDelivery: exactlyOnce,
        decode: (record) => record,
        process: (records, output, context) => process(records, output, context.signal, context.offsets),
      },
    )
  }
})
