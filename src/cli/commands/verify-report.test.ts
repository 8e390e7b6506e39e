/** `semel verify report` on files that were written here. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openAppendFile } from '../../runtime/append-file.ts'
import { HistoryFileWriter } from '../../verify/index.ts'
import { verifyReport } from './verify-report.ts'

let directory: string
let printed: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'semel-verify-report-'))
  printed = ''
  const take = (text: string | Uint8Array): boolean => {
    printed += String(text)
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(take)
  vi.spyOn(process.stderr, 'write').mockImplementation(take)
})

afterEach(() => {
  vi.restoreAllMocks()
  rmSync(directory, { recursive: true, force: true })
})

/** A run in which a transaction was committed, and was told that it was. @param isCommit  what it had asked for */
function writeHistory(name: string, isCommit: 0 | 1): string {
  const path = join(directory, name)
  const info = { run: 'r', seed: 1, workload: 'bank', target: 'host:9092', expectations: { settleMs: 1_000 } }
  const writer = new HistoryFileWriter(openAppendFile(path), info)
  const partition = { topic: 'ledger', partition: 0 }
  writer.record('processStarted', { process: 1, kind: 'client', role: 'teller 0', at: 0 })
  writer.record('writerStarted', { writer: 1, process: 1, transactionalId: 'id', at: 1 })
  writer.record('transactionBegun', { writer: 1, transaction: 1, at: 2 })
  writer.record('sendInvoked', { writer: 1, number: 0, transaction: 1, partition, at: 3 })
  writer.record('transactionEnding', { writer: 1, transaction: 1, isCommit, at: 4 })
  writer.record('transactionEnded', { writer: 1, transaction: 1, outcome: 'ok', error: '', at: 5 })
  writer.record('readerStarted', { reader: 1, process: 1, group: '', isolation: 1, isSubscribed: 0, at: 6 })
  writer.record('read', { reader: 1, poll: 1, partition, offset: 0, writer: 1, number: 0, at: 7 })
  const use = { writer: 0xffff_ffff, transaction: 0, invokedAt: 6, at: 7 }
  writer.record('poll', { reader: 1, poll: 1, outcome: 'ok', error: '', ...use })
  writer.record('watermarks', {
    ...{ partition, highWatermark: 2, lastStableOffset: 2, logStartOffset: 0, invokedAt: 8, at: 9 },
  })
  writer.flush()
  return path
}

test('a page is made beside the history, in place of an earlier one', async () => {
  const path = writeHistory('run.history', 1)
  writeFileSync(join(directory, 'run.html'), 'x'.repeat(10_000_000))
  expect(await verifyReport([path], {}), printed).toBe(0)
  expect(readFileSync(join(directory, 'run.html'), 'utf8')).toMatch(
    /^<!doctype html>[\s\S]*<h1>Exactly once holds<\/h1>[\s\S]*<\/html>\n$/,
  )
  expect(printed).toBe(`${join(directory, 'run.html')}\nnothing is wrong\n`)
})

test('what is wrong is exit code 3, and is in the page', async () => {
  const out = join(directory, 'page.html')
  expect(await verifyReport([writeHistory('run.history', 0)], { out }), printed).toBe(3)
  expect(readFileSync(out, 'utf8')).toContain('A5 aborted read')
  expect(printed).toMatch(/^.*page\.html\n\d kinds? of anomaly\n$/)
})

test('what is no history is exit code 1, and no page is made', async () => {
  const path = join(directory, 'notes.txt')
  writeFileSync(path, 'buy milk, and a longer line so that a header would fit into it\n')
  const out = join(directory, 'page.html')
  expect(await verifyReport([path], { out })).toBe(1)
  expect(await verifyReport([join(directory, 'missing')], { out })).toBe(1)
  expect(printed).toMatch(/notes\.txt.*\n.*there is no file .*missing/)
  expect(() => readFileSync(out)).toThrow('ENOENT')
})
