/** The commands that talk to a cluster, run as processes against a broker of this process. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Broker } from '../../broker/broker.ts'
import { Kafka } from '../../client/kafka.ts'

/** Each command is a process; a busy machine takes its time. */
const TIMEOUT_MS = 120_000
const MAIN = join(import.meta.dirname, '../main.ts')
let broker: Broker
let kafka: Kafka

beforeAll(async () => {
  broker = await Broker.start({ memory: true, port: 0, properties: { 'group.initial.rebalance.delay.ms': '0' } })
  kafka = new Kafka({ brokers: [broker.bootstrap] })
})

afterAll(async () => {
  await kafka.close()
  await broker.close()
})

interface Result {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** @param line  words, split at blanks; a quoted one may hold blanks */
function semel(line: string, input = ''): Promise<Result> {
  const words = Array.from(line.matchAll(/'([^']*)'|(\S+)/g), (match) => match[1] ?? match[2] ?? '')
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { ...process.env, SEMEL_BOOTSTRAP_SERVERS: broker.bootstrap, NO_COLOR: '1' },
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

async function json(line: string): Promise<unknown> {
  const { out, err, code } = await semel(`${line} --format json`)
  expect(code, err).toBe(0)
  return JSON.parse(out)
}

describe('topics, records and groups from the command line', () => {
  test('a topic is made, written, read, trimmed and deleted', { timeout: TIMEOUT_MS }, async () => {
    expect(await semel('topic create cats -p 2 -c retention.ms=86400000')).toMatchObject({
      code: 0,
      out: '',
      err: '1 topics created\n',
    })
    expect(await semel('topic create cats')).toMatchObject({
      code: 1,
      err: expect.stringContaining('TOPIC_ALREADY_EXISTS'),
    })
    expect(await semel('topic create cats --if-not-exists')).toMatchObject({ code: 0, err: '0 topics created\n' })
    expect(await json('topic list')).toEqual([expect.objectContaining({ topic: 'cats', partitions: 2 })])
    expect((await semel('produce cats -p 0 -K :', 'a:tom\nb:felix\n')).err).toBe('2 records sent to cats\n')
    expect((await semel('produce cats -p 1 --transactional-id t -H from=here', 'garfield\n')).err).toBe(
      '1 records sent to cats in one transaction\n',
    )
    expect((await semel("consume cats -e -p 0 -f '%p/%o %k=%s'")).out).toBe('0/0 a=tom\n0/1 b=felix\n')
    expect((await semel('consume cats -e -p 0 -o -1')).out).toBe('felix\n')
    expect((await semel("consume cats -n 1 -p 1 -f '%s %h'")).out).toBe('garfield from=here\n')
    const raw = await semel('consume cats -p 1 --print-control-records')
    expect(raw.out).toMatch(
      /^cats-1 0 {2}committed {2}producer \d+ epoch \d+ {2}- {2}garfield\ncats-1 1 {2}commit-marker/,
    )
    expect((await semel('topic describe cats')).out.split('\n')[1]).toMatch(/^cats +0 +1 +1 +1 +0 +2 +2$/)
    expect((await semel('topic trim-prefix cats:0 --before 1')).code).toBe(2)
    expect(await semel('topic trim-prefix cats:0 --before 1 --yes')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/cats +0 +1/),
    })
    expect((await json('config describe topic:cats')) as object[]).toContainEqual(
      expect.objectContaining({ name: 'retention.ms', value: '86400000', source: 'topic' }),
    )
    expect((await semel('config set topic:cats retention.ms=1000')).code).toBe(0)
    expect((await semel('config delete topic:cats retention.ms')).code).toBe(0)
    expect(await semel('topic delete cats --dry-run')).toMatchObject({
      code: 0,
      err: expect.stringContaining('This would delete cats'),
    })
    expect(await semel('topic delete cats')).toMatchObject({ code: 2, err: expect.stringContaining('say --yes') })
    expect((await semel('topic delete cats -y')).code).toBe(0)
    expect(await semel('topic describe cats')).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no topic cats'),
    })
  })

  test('a group reads, is described, moved and deleted', async () => {
    await kafka.admin().createTopics([{ topic: 'dogs', partitions: 1 }])
    await kafka.producer().send(
      'dogs',
      ['rex', 'lassie', 'rin'].map((value) => ({ value })),
    )
    expect((await semel('consume dogs -g kennel -n 3')).out).toBe('rex\nlassie\nrin\n')
    expect((await semel('group list')).out).toMatch(/kennel +Empty +classic/)
    expect(await json('group describe kennel')).toMatchObject({
      state: 'Empty',
      lag: 0,
      partitions: [{ committed: 3, lag: 0 }],
    })
    expect((await semel('group seek kennel --to -2 --dry-run')).out).toMatch(/dogs +0 +3 +1/)
    expect((await semel('group seek kennel --to start')).code).toBe(2)
    expect((await semel('group seek kennel --to start --yes')).code).toBe(0)
    expect((await semel('group describe kennel')).out).toMatch(/^group kennel: Empty, 0 members, lag 3\n/)
    expect((await semel('group seek kennel --to soon --yes')).code).toBe(2)
    expect((await semel('group delete kennel --yes')).code).toBe(0)
    expect(await semel('group describe kennel')).toMatchObject({
      code: 1,
      err: expect.stringContaining('GROUP_ID_NOT_FOUND'),
    })
  })
})

test('transactions are listed, described and ended', async () => {
  await kafka.admin().createTopics([{ topic: 'ledger', partitions: 1 }])
  const producer = kafka.producer({ transactionalId: 'books' })
  const tx = await producer.begin()
  await tx.send('ledger', { value: 'x' })
  await tx.flush()
  expect((await semel('txn list --state Ongoing')).out).toMatch(/books +1 +\d+ +Ongoing/)
  expect(await json('txn describe books')).toMatchObject([
    { state: 'Ongoing', partitions: [{ topic: 'ledger', partition: 0 }] },
  ])
  expect((await semel('txn describe-producers ledger:0')).out).toMatch(/ledger +0 +\d+ +\d+ +-1 +0 +\S+ +0$/m)
  expect((await semel('txn find-hanging')).out).toContain('no transaction has been idle')
  expect((await semel('txn abort ledger:0')).code).toBe(2)
  expect(await semel('txn abort ledger:0 --start-offset 5 --yes')).toMatchObject({
    code: 2,
    err: expect.stringContaining('open transactions begin at 0'),
  })
  expect((await semel('txn force-terminate books --yes')).err).toMatch(/older epochs are refused/)
  expect(await semel('txn describe nobody')).toMatchObject({
    code: 1,
    err: expect.stringContaining('TRANSACTIONAL_ID_NOT_FOUND'),
  })
  await tx.abort().catch(() => undefined)
})

test('the cluster is described', async () => {
  expect((await semel('cluster describe')).out).toContain(broker.bootstrap)
  expect((await semel('cluster features')).out).toMatch(/transaction\.version +2 +0-2/)
  expect(((await json('cluster api-versions')) as object[]).length).toBeGreaterThan(30)
})

test('without a broker there is a line that says what to do, and exit code 1', async () => {
  const { code, err } = await semel('topic list -b 127.0.0.1:1 --timeout 800')
  expect(code).toBe(1)
  expect(err).toMatch(/nothing listens there: is the broker running.*`npx semel start`/)
})

test.each([
  'topic',
  'topic describe',
  'consume',
  'topic list --format xml',
  'topic create x -p many',
  'topic list -b http://x',
  'produce x -K : -k y',
])('wrong usage: semel %s', async (line) => {
  expect((await semel(line)).code).not.toBe(0)
  expect([1, 2]).toContain((await semel(line)).code)
})
