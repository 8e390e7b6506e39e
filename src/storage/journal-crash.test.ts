/**
 * Cuts the power at every file operation of scripted workloads, damages what was not flushed in many ways, and demands that
 * recovery gives back every acknowledged frame, in order, and nothing that was never appended.
 */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bodyOf, durable, openJournal } from '../testing/journal-harness.ts'
import { SimClock } from '../testing/sim-clock.ts'
import { SimDisk } from '../testing/sim-disk.ts'
import { SimRandom } from '../testing/sim-random.ts'

const FILE_SIZE_BYTES = 2048
const STEPS = 24

/** What the outside world knows of a journal. */
interface Ledger {
  readonly appended: Map<number, Buffer>
  acknowledgedLsn: number
  /** A checkpoint that is durable: frames up to it may be gone. */
  checkpointLsn: number
}

function newLedger(): Ledger {
  return { appended: new Map(), acknowledgedLsn: 0, checkpointLsn: 0 }
}

/** A workload whose disk has stopped goes on up to its next operation, and writes into its ledger: what it knew when the power went. */
function asOfNow(ledger: Ledger): Ledger {
  return { ...ledger, appended: new Map(ledger.appended) }
}

const EMPTY_DISK_OPERATIONS = 2

async function emptyDisk(): Promise<SimDisk> {
  const disk = new SimDisk()
  await disk.makeDirectory('/data')
  await disk.syncDirectory('/')
  return disk
}

/** Appends in groups of any size, sometimes waiting, sometimes idling, sometimes cutting; now and then a frame larger than a file. */
async function workload(disk: SimDisk, seed: number, ledger: Ledger): Promise<void> {
  const random = new SimRandom(seed)
  const clock = new SimClock()
  const { journal } = await openJournal(disk, { fileSizeBytes: FILE_SIZE_BYTES, clock, afterLsn: ledger.checkpointLsn })
  journal.onDurable = (lsn) => {
    ledger.acknowledgedLsn = lsn
  }
  for (let step = 0; step < STEPS; step += 1) {
    for (let left = 1 + random.below(4); left > 0; left -= 1) {
      const size = random.chance(0.05) ? 5000 : 8 + random.below(random.chance(0.5) ? 60 : 700)
      const body = bodyOf(journal.appendedLsn + 1, size)
      const cutAt = random.below(body.length)
      ledger.appended.set(journal.append([body.subarray(0, cutAt), body.subarray(cutAt)]), body)
    }
    if (random.chance(0.7)) await durable(journal, journal.appendedLsn)
    else for (let ticks = random.below(6); ticks > 0; ticks -= 1) await Promise.resolve()
    if (random.chance(0.1)) await clock.advance(1000)
    if (random.chance(0.1) && journal.durableLsn > 0) {
      ledger.checkpointLsn = journal.durableLsn
      await journal.cut(ledger.checkpointLsn)
    }
  }
  await journal.close()
}

/** The journal on `disk` must hold what the ledger demands. Answers it open. */
async function expectRecovery(disk: SimDisk, ledger: Ledger): ReturnType<typeof openJournal> {
  const opened = await openJournal(disk, { fileSizeBytes: FILE_SIZE_BYTES, afterLsn: ledger.checkpointLsn })
  const expected = [...ledger.appended].filter(([lsn]) => lsn > ledger.checkpointLsn)
  for (const [at, { lsn, body }] of opened.replayed.entries()) {
    const [expectedLsn, expectedBody] = expected[at] ?? []
    expect(lsn).toBe(expectedLsn)
    expect(expectedBody?.equals(body)).toBe(true)
  }
  const missing = expected[opened.replayed.length]
  if (missing !== undefined) expect(missing[0]).toBeGreaterThan(ledger.acknowledgedLsn)
  return opened
}

/** A ledger that also demands all that a recovery has shown, for others may have acted on it by now. */
function afterSeeing(ledger: Ledger, replayed: readonly { lsn: number; body: Buffer }[]): Ledger {
  const appended = new Map([...ledger.appended].filter(([lsn]) => lsn <= ledger.checkpointLsn))
  for (const { lsn, body } of replayed) appended.set(lsn, body)
  return { ...ledger, appended, acknowledgedLsn: Math.max(0, ...appended.keys()) }
}

/** Recovers a damaged disk, crashing on the way, and goes on with it. */
async function survive(found: SimDisk, ledger: Ledger, random: SimRandom): Promise<void> {
  // A second crash, somewhere in recovery, leaves a journal that still recovers.
  const again = found.kill()
  again.crashAt(random.below(8))
  await Promise.race([
    openJournal(again, { fileSizeBytes: FILE_SIZE_BYTES, afterLsn: ledger.checkpointLsn }),
    again.crashed,
  ])
  const disk = random.chance(0.3) ? again.kill() : again.crash(random)

  const first = await expectRecovery(disk, ledger)
  // What recovery showed is durable, whatever happens to what was in the system's cache before.
  const seen = afterSeeing(ledger, first.replayed)
  const next = await expectRecovery(disk.crash(random), seen)
  const body = bodyOf(next.journal.appendedLsn + 1, 300)
  seen.appended.set(next.journal.append([body]), body)
  await durable(next.journal, next.journal.appendedLsn)
}

async function crashEverywhere(seed: number, damages: number, stride: number): Promise<number> {
  const whole = await emptyDisk()
  await workload(whole, seed, newLedger())
  let recoveries = 0
  for (let operation = EMPTY_DISK_OPERATIONS; operation <= whole.operations; operation += stride) {
    const ledger = newLedger()
    const disk = await emptyDisk()
    disk.crashAt(operation)
    await Promise.race([workload(disk, seed, ledger), disk.crashed])
    const known = asOfNow(ledger)
    for (let damage = 0; damage < damages; damage += 1) {
      const random = new SimRandom(seed * 1_000_003 + operation * 1009 + damage)
      // The first damage is the mildest: the process dies and the machine lives.
      const found = damage === 0 ? disk.kill() : disk.crash(random)
      try {
        await survive(found, known, random)
      } catch (error) {
        throw new Error(`seed ${seed}, crash at operation ${operation}, damage ${damage}`, { cause: error })
      }
      recoveries += 1
    }
  }
  return recoveries
}

test('power lost at any file operation loses nothing acknowledged and invents nothing', async () => {
  expect(await crashEverywhere(1, 20, 1)).toBeGreaterThan(1000)
}, 120_000)

test('power lost at any file operation of any workload loses nothing acknowledged and invents nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 1_000_000 }), async (seed) => {
      await crashEverywhere(seed, 3, 7)
    }),
    { numRuns: 12, examples: [[453_085]] },
  )
}, 120_000)

test('a workload that went through any number of crashes keeps what each of its lives acknowledged', async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const random = new SimRandom(seed)
    let ledger = newLedger()
    let disk = await emptyDisk()
    for (let life = 0; life < 12; life += 1) {
      disk.crashAt(disk.operations + random.below(120))
      await Promise.race([workload(disk, seed * 100 + life, ledger), disk.crashed])
      disk = random.chance(0.3) ? disk.kill() : disk.crash(random)
      const known = asOfNow(ledger)
      const { replayed, journal } = await expectRecovery(disk, known)
      ledger = afterSeeing(known, replayed)
      await journal.close()
    }
  }
}, 120_000)
