/** Who holds a lock can be asked without taking it. The lock itself is file-system.contract.ts. */
import { mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockFile, lockHolder } from './file-lock.ts'

let directory = ''

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'semel-lock-'))
})

afterEach(() => rm(directory, { recursive: true, force: true }))

test('the holder of a lock is named while it is held, and asking does not disturb it', async () => {
  const path = join(directory, '.lock')
  expect(await lockHolder(path)).toBeUndefined()
  const lock = await lockFile(path)
  for (let times = 0; times < 3; times++) expect(await lockHolder(path)).toBe(`process ${process.pid} on ${hostname()}`)
  await expect(lockFile(path)).rejects.toMatchObject({ code: 'ELOCKED' })
  await lock.release()
  expect(await lockHolder(path)).toBeUndefined()
})
