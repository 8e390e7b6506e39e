/** `semel verify` as a process, beside a broker of this process. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Broker } from '../../broker/broker.ts'
import { Kafka } from '../../client/kafka.ts'

/** Each command is a process; a busy machine takes its time. */
const TIMEOUT_MS = 120_000
const MAIN = join(import.meta.dirname, '../main.ts')
let broker: Broker

beforeAll(async () => {
  broker = await Broker.start({ memory: true, port: 0, properties: { 'group.initial.rebalance.delay.ms': '0' } })
})

afterAll(async () => {
  await broker.close()
})

function semel(...words: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, 'verify', ...words], { env: { ...process.env, NO_COLOR: '1' } })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

describe('semel verify run', () => {
  test('finds nothing wrong with a broker that is sound, and leaves no topic behind', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { code, out, err } = await semel(
      ...['run', '--target', broker.bootstrap, '--workload', 'bank', '--duration', '1s', '--seed', '5'],
    )
    expect(code, err).toBe(0)
    expect(out).toMatch(/^EXACTLY ONCE HOLDS\n {2}run verify-5-\w+, workload bank, target .*, seed 5\n/)
    expect(err).toMatch(/bank on .* for 1s, faults: clients, seed 5\n.* making topics\n.* running\n/)
    await using kafka = new Kafka({ brokers: [broker.bootstrap] })
    expect((await kafka.admin().listTopics()).filter(({ isInternal }) => !isInternal)).toEqual([])
  })

  test('--format json prints the verdict alone on standard output', { timeout: TIMEOUT_MS }, async () => {
    const { code, out } = await semel(
      ...['run', '--target', broker.bootstrap, '-w', 'hijack', '-d', '500ms', '--faults', 'none', '--format', 'json'],
    )
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ workload: 'hijack', anomalies: [] })
  })

  test('an unknown workload is wrong usage, and the others are named', { timeout: TIMEOUT_MS }, async () => {
    const { code, out, err } = await semel('run', '--target', broker.bootstrap, '--workload', 'cue')
    expect({ code, out, err }).toEqual({
      code: 2,
      out: '',
      err:
        'semel: --workload cue: there is none of this name; choose one of queue, copier, bank, hijack, long, ' +
        'abort-position, compact\n',
    })
  })

  test('a cluster that is not there is told with what to do', { timeout: TIMEOUT_MS }, async () => {
    const { code, err } = await semel('run', '--target', '127.0.0.1:1', '--workload', 'bank')
    expect(code).toBe(1)
    expect(err).toMatch(/127\.0\.0\.1:1: nothing listens there: .*`npx semel start` starts one/)
  })
})

test('semel verify workloads lists them with what they do', { timeout: TIMEOUT_MS }, async () => {
  const { code, out } = await semel('workloads')
  expect(code).toBe(0)
  expect(out).toMatch(/^WORKLOAD +WHAT IT DOES\nqueue +random transactions/)
  expect(out.trimEnd().split('\n')).toHaveLength(8)
})
