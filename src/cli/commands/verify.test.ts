/** `semel verify` as a process, beside a broker of this process. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Broker } from '../../broker/broker.ts'
import { Kafka } from '../../client/kafka.ts'
import { openAppendFile } from '../../runtime/append-file.ts'
import { HistoryFileWriter } from '../../verify/index.ts'

/** Each command is a process; a busy machine takes its time. */
const TIMEOUT_MS = 120_000
const MAIN = join(import.meta.dirname, '../main.ts')
let broker: Broker
let directory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'semel-verify-'))
  broker = await Broker.start({ memory: true, port: 0, properties: { 'group.initial.rebalance.delay.ms': '0' } })
})

afterAll(async () => {
  await broker.close()
  rmSync(directory, { recursive: true, force: true })
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

  test('a file that is there already is not written over', { timeout: TIMEOUT_MS }, async () => {
    const out = join(directory, 'mine')
    writeFileSync(out, 'mine')
    const { code, err } = await semel('run', '--target', broker.bootstrap, '--workload', 'bank', '--out', out)
    expect({ code, err }).toEqual({
      code: 2,
      err: `semel: --out ${out}: there is a file of this name; choose another\n`,
    })
    expect(readFileSync(out, 'utf8')).toBe('mine')
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

describe('semel verify check', () => {
  test('judges again what a run has written', { timeout: TIMEOUT_MS }, async () => {
    const out = join(directory, 'bank.history')
    const run = await semel(
      ...['run', '--target', broker.bootstrap, '-w', 'bank', '-d', '500ms', '--faults', 'none', '--out', out],
    )
    expect(run.code, run.err).toBe(0)
    expect(run.err).toContain(`the history is in ${out}\n`)
    const again = await semel('check', out)
    expect(again).toEqual({ code: 0, out: run.out, err: '' })
  })

  test('exits with 3 when something is wrong', { timeout: TIMEOUT_MS }, async () => {
    const out = join(directory, 'twice.history')
    const partition = { topic: 't', partition: 0 }
    const info = { run: 'r', seed: 1, workload: 'queue', target: 'none', expectations: { settleMs: 1 } }
    const history = new HistoryFileWriter(openAppendFile(out), info)
    history.record('sendInvoked', { writer: 0, number: 0, transaction: 0, partition, at: 1 })
    history.record('sendCompleted', { writer: 0, number: 0, outcome: 'ok', offset: 0, error: '', at: 2 })
    history.record('logScan', { scan: 0, partition, from: 0, to: 2, at: 3 })
    history.record('logRecord', { scan: 0, partition, offset: 0, writer: 0, number: 0 })
    history.record('logRecord', { scan: 0, partition, offset: 1, writer: 0, number: 0 })
    history.close()
    const text = await semel('check', out)
    expect(text.code).toBe(3)
    expect(text.out).toMatch(/^EXACTLY ONCE IS BROKEN/)
    const json = await semel('check', out, '--format', 'json')
    expect(json.code).toBe(3)
    expect(JSON.parse(json.out)).toMatchObject({
      run: 'r',
      anomalies: expect.arrayContaining([expect.objectContaining({ code: 'A3' })]),
    })
  })

  test('a file that is none of a history, or is not there, is told with what to do', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const path = join(directory, 'letter')
    writeFileSync(path, 'Dear all, this is a letter and no history.')
    const letter = await semel('check', path)
    expect(letter.code).toBe(1)
    expect(letter.err).toMatch(
      /^semel: \S+letter at byte 0: .*; give it the files of one run, as 'semel verify run --out FILE' writes them\n$/,
    )
    const nothing = join(directory, 'nothing')
    expect(await semel('check', nothing)).toEqual({
      code: 1,
      out: '',
      err: `semel: there is no file ${nothing}; 'semel verify run --out FILE' writes one\n`,
    })
  })
})

test('semel verify workloads lists them with what they do', { timeout: TIMEOUT_MS }, async () => {
  const { code, out } = await semel('workloads')
  expect(code).toBe(0)
  expect(out).toMatch(/^WORKLOAD +WHAT IT DOES\nqueue +random transactions/)
  expect(out.trimEnd().split('\n')).toHaveLength(8)
})
