/** `simulate` on applications that are right, and on some that are not. */
import { describe, expect, test } from 'vitest'
import type { Guarantee } from '../client/index.ts'
import { type ApplicationContext, simulate, SimulationFailure, simulation, type SimulateOptions } from './index.ts'
import { compareOutput } from './simulate-output.ts'

const orders = Array.from({ length: 120 }, (_, at) => ({
  topic: 'orders',
  key: `customer-${at % 7}`,
  value: `order ${at}`,
}))

const billing = (guarantee: Guarantee) => ({
  topics: { orders: 2, invoices: 2 },
  input: orders,
  output: ['invoices'],
  application: ({ kafka, pause }: ApplicationContext) =>
    kafka.pipeline({
      groupId: 'billing',
      from: 'orders',
      guarantee,
      batch: { maxRecords: 20 },
      async process(records, output) {
        for (const { key, value } of records) {
          await output.send('invoices', { key, value: `invoice of ${String(value)}` })
          await pause(40)
        }
      },
    }),
})

async function failureOf(options: SimulateOptions): Promise<SimulationFailure> {
  try {
    await simulate(options)
  } catch (error) {
    expect(error).toBeInstanceOf(SimulationFailure)
    return error as SimulationFailure
  }
  throw new Error('nothing went wrong')
}

describe('simulate', { timeout: 120_000 }, () => {
  test('a pipeline that is exactly_once gives what an undisturbed one gives, whatever happens', async () => {
    const report = await simulate({ seeds: 10, ...billing('exactly_once') })
    expect(report.seeds).toBe(10)
    expect(Object.keys(report.faults).length).toBeGreaterThan(10)
    expect(report.virtualMs).toBeGreaterThan(10 * 60_000)
  })

  test('one that is at_least_once repeats records, and the failure says which seed and which records', async () => {
    const failure = await failureOf({ seeds: 20, faults: ['kill-client'], ...billing('at_least_once') })
    const [first] = failure.failures
    expect(failure.failures.every(({ problems }) => problems.every((problem) => /repeated/.test(problem)))).toBe(true)
    expect(failure.message).toMatch(new RegExp(`Seed ${first?.seed}:\n {2}\\d+ records? repeated: invoices customer-`))
    expect(failure.message).toContain(`Run it alone with \`seed: ${first?.seed}\``)
    const again = await failureOf({ ...billing('at_least_once'), faults: ['kill-client'], seed: first?.seed as number })
    expect(again.failures).toEqual([first])
  })

  test('one that is at_most_once loses records', async () => {
    const failure = await failureOf({ seeds: 18, faults: ['kill-client'], ...billing('at_most_once') })
    expect(failure.failures.some(({ problems }) => problems.some((problem) => /missing/.test(problem)))).toBe(true)
  })

  test('an application that keeps what it has seen in memory is caught, and an expected output given by hand is used', async () => {
    const expected = orders.map((_, at) => ({ topic: 'counts', key: null, value: String(at + 1) }))
    const counting: SimulateOptions = {
      topics: { orders: 1, counts: 1 },
      input: orders,
      output: ['counts'],
      expected,
      application({ kafka }) {
        let count = 0
        return kafka.pipeline({
          groupId: 'counting',
          from: 'orders',
          async process(records, output) {
            for (const _ of records) {
              count += 1
              await output.send('counts', { value: String(count) })
            }
          },
        })
      },
    }
    const failure = await failureOf({ seeds: 12, faults: ['kill-client'], ...counting })
    expect(failure.message).toMatch(/missing: counts/)
  })

  test('an application that works for nobody is an error of its own', async () => {
    const idle = { run: () => new Promise<void>(() => {}), stop: () => Promise.resolve() }
    await expect(simulate({ ...billing('exactly_once'), application: () => idle })).rejects.toThrow(
      /does not work even when nothing goes wrong: not finished .* no group has read anything/,
    )
  })
})

test('outputs are compared as what they hold, not in which order', () => {
  const record = (value: string) => ({ topic: 't', key: null, value })
  expect(compareOutput([record('a'), record('b')], [record('b'), record('a')])).toEqual([])
  expect(compareOutput([record('a'), record('b')], [record('b'), record('b'), record('c')])).toEqual([
    '1 record missing: t =a',
    '1 record repeated: t =b',
    '1 record unexpected: t =c',
  ])
})

describe('simulation', () => {
  test('a client and a broker in virtual time, the same for the same seed', async () => {
    const once = async (): Promise<{ values: string[]; trace: string; elapsedMs: number }> => {
      const sim = simulation(7)
      const broker = sim.broker({ properties: { 'num.partitions': '1' } })
      const shop = sim.client('shop')
      const values = await sim.run(async () => {
        const producer = shop.kafka.producer()
        await producer.send('orders', { value: 'first' })
        broker.powerOff()
        await sim.pause(500)
        broker.start()
        await producer.send('orders', { value: 'second' })
        const consumer = sim.client('reader').kafka.consumer({ partitions: [{ topic: 'orders', partition: 0 }] })
        const read: string[] = []
        while (read.length < 2) for (const { value } of await consumer.poll()) read.push(String(value))
        return read
      })
      return { values, trace: sim.traceHash, elapsedMs: sim.clock.monotonicMs() }
    }
    const first = await once()
    expect(first.values).toEqual(['first', 'second'])
    expect(first.elapsedMs).toBeGreaterThan(500)
    expect(await once()).toEqual(first)
  })

  test('a broker that cannot start ends the run and says why', async () => {
    const sim = simulation(1)
    sim.broker({ name: 'shelf', properties: { 'log.segment.bytes': 'many' } })
    await expect(sim.run(() => sim.pause(1_000))).rejects.toThrow(/shelf does not start: .*log.segment.bytes/)
  })
})
