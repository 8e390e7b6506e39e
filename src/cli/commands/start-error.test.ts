import { expect, test } from 'vitest'
import { describeStartError } from './start-error.ts'

const failure = (code: string, details: object = {}) =>
  Object.assign(new Error(`${code}: it failed`), { code, ...details })

test.each([
  ['EADDRINUSE', /127\.0\.0\.1:9092 is in use by another program.*--port/],
  ['EACCES', /not allowed to listen on 127\.0\.0\.1:9092.*--port/],
  ['EADDRNOTAVAIL', /not an address of this machine.*--host/],
])('listening fails with %s', (code, message) => {
  expect(describeStartError(failure(code, { syscall: 'listen' }), { host: '127.0.0.1', port: 9092 })).toMatch(message)
})

test.each([
  ['ELOCKED', /\/data is in use by another broker.*--data/],
  ['EACCES', /not allowed to write to \/data.*--data/],
  ['EROFS', /not allowed to write to \/data.*--data/],
  ['ENOTDIR', /\/data is not a directory/],
  ['ENOSPC', /no space is left for \/data/],
  ['EIO', /EIO: it failed/],
])('the data directory fails with %s', (code, message) => {
  expect(describeStartError(failure(code), { dataDir: '/data' })).toMatch(message)
})

test('who holds the data directory is named', () => {
  const cause = failure('ELOCKED', { holder: 'process 42 on here' })
  expect(describeStartError(Object.assign(failure('ELOCKED'), { cause }), { dataDir: '/data' })).toMatch(
    /^\/data is in use by another broker \(process 42 on here\); stop that one/,
  )
})

test('anything else speaks for itself', () => {
  expect(describeStartError(new Error('flushed data is damaged'), {})).toBe('flushed data is damaged')
  expect(describeStartError('odd', {})).toBe('odd')
})
