import { expect, test } from 'vitest'
import { DecodeError } from '../base/bytes.ts'
import { decodeLogEntries, encodeLogEntries } from './log-entry.ts'
import type { LogEntry } from './log-entry.ts'

const entries: LogEntry[] = [
  {
    kind: 'create-log',
    logId: 300,
    topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    topic: 'orders',
    partition: 3,
    segmentBytes: 2 ** 30,
  },
  { kind: 'append', logId: 300, batch: Buffer.from('small') },
  { kind: 'log-start', logId: 1, offset: 5_000_000_000 },
  { kind: 'drop-log', logId: 2 },
]

test('entries are read back as they were written', () => {
  expect(decodeLogEntries(Buffer.concat(encodeLogEntries(entries)))).toEqual(entries)
})

test('entries have the layout that a journal on disk relies on', () => {
  const hex = Buffer.concat(encodeLogEntries(entries)).toString('hex')
  expect(hex).toBe(
    '02' +
      'ac02' +
      '00000000000000000000000000000001' +
      '03' +
      '8080808004' +
      '06' +
      '6f7264657273' +
      '01' +
      'ac02' +
      '05' +
      '736d616c6c' +
      '04' +
      '01' +
      '80c8afa025' +
      '03' +
      '02',
  )
})

test('a large batch is referenced, not copied', () => {
  const batch = Buffer.alloc(5000, 1)
  const chunks = encodeLogEntries([{ kind: 'append', logId: 1, batch }])
  expect(chunks).toContain(batch)
})

test('what is not a list of entries is refused', () => {
  expect(() => decodeLogEntries(Buffer.from('0901', 'hex'))).toThrow(DecodeError)
  expect(() => decodeLogEntries(Buffer.from('010105ff', 'hex'))).toThrow(DecodeError)
})
