/**
 * A disk that fails under a running broker: nothing is acknowledged after the failure, the reason is told, clients see
 * their connections close, and a start after the cause is gone loses nothing that was acknowledged.
 */
import { describe, expect, test } from 'vitest'
import type { LogFields, Logger } from '../../src/base/runtime.ts'
import { ConnectionClosed } from '../../src/testing/wire-client.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import type { Fault } from '../../src/testing/sim-disk.ts'
import { TestBroker } from '../broker/test-broker.ts'
import type { TestClient } from '../broker/test-broker.ts'

/** Keeps what was logged as an error. */
function errorLog(): { logger: Logger; errors: { message: string; fields: LogFields | undefined }[] } {
  const errors: { message: string; fields: LogFields | undefined }[] = []
  const ignore = (): void => undefined
  const logger = {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (message: string, fields?: LogFields) => void errors.push({ message, fields }),
  }
  return { logger, errors }
}

/** Appends one record at a time until the broker stops; answers what was acknowledged. */
async function appendUntilFailure(client: TestClient): Promise<string[]> {
  const acknowledged: string[] = []
  const filler = 'x'.repeat(20_000)
  for (let count = 0; count < 500; count += 1) {
    const value = `${count}-${filler}`
    try {
      const { errorCode } = await client.produce('t', { values: [value] })
      expect(errorCode).toBe('NONE')
      acknowledged.push(value)
    } catch (error) {
      expect(error).toBeInstanceOf(ConnectionClosed)
      return acknowledged
    }
  }
  throw new Error('the disk never failed')
}

async function scenario(
  name: string,
  fail: (fileSystem: ReturnType<typeof simRuntime>['fileSystem']) => void,
  options: { readonly diskCapacityBytes?: number } = {},
) {
  const { logger, errors } = errorLog()
  const runtime = simRuntime(7, { logger, ...options })
  let acknowledged: string[] = []
  const first = (async () => {
    const broker = await TestBroker.start({ runtime, dataDir: '/data' })
    const client = await broker.connect()
    await client.createTopic('t')
    await client.produce('t', { values: ['before'] })
    fail(runtime.fileSystem)
    acknowledged = await appendUntilFailure(client)
    const reason = await broker.broker.failed
    await expect(broker.connect().then((late) => late.produce('t', {}))).rejects.toThrow(/refused|closed|reset/)
    await broker.broker.close()
    return reason
  })()
  const reason = await runtime.clock.runUntil(first)
  expect(errors.map(({ message }) => message).join(), name).toContain('acknowledges nothing more')
  return { reason, errors, acknowledged, runtime }
}

describe('a disk that fails', () => {
  const faults: [string, Fault][] = [
    ['one write that answers EIO', { operation: 'write', at: 5, code: 'EIO', path: 'journal' }],
    ['one flush that answers EIO', { operation: 'sync', at: 3, code: 'EIO', path: 'journal' }],
    ['flushes that answer EIO for good', { operation: 'sync', at: 3, code: 'EIO', isPermanent: true, path: 'journal' }],
  ]
  test.each(faults)('%s stops acknowledgements; a restart keeps what was acknowledged', async (name, fault) => {
    const { reason, errors, acknowledged, runtime } = await scenario(name, (disk) => disk.inject(fault))
    expect(`${reason.message} ${String(reason.cause)}`).toContain('EIO')
    expect(JSON.stringify(errors)).toContain('EIO')
    runtime.fileSystem.clearFaults()
    const next = runtime.afterKill()
    await next.clock.runUntil(checkRestart(next, acknowledged))
  })

  test('a full disk stops acknowledgements; a restart with room keeps what was acknowledged', async () => {
    const { reason, acknowledged, runtime } = await scenario('full', () => undefined, { diskCapacityBytes: 4_000_000 })
    expect(`${reason.message} ${String(reason.cause)}`).toContain('ENOSPC')
    expect(acknowledged.length).toBeGreaterThan(10)
    const next = simRuntime(8)
    // Somebody made room: the same files on a larger disk.
    const grown = { ...next, fileSystem: runtime.fileSystem.kill(Infinity) }
    await next.clock.runUntil(checkRestart(grown as typeof next, acknowledged))
  })
})

async function checkRestart(runtime: ReturnType<typeof simRuntime>, acknowledged: readonly string[]): Promise<void> {
  await using broker = await TestBroker.start({ runtime, dataDir: '/data' })
  const client = await broker.connect()
  const values = await client.values('t')
  expect(values.slice(0, acknowledged.length + 1)).toEqual(['before', ...acknowledged])
  expect((await client.produce('t', { values: ['after'] })).errorCode).toBe('NONE')
}
