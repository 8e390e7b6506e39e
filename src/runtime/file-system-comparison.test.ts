/**
 * The file systems that are not Node's against Node's, operation by operation: the same random sequence on each must give the same
 * answers and the same error codes. SEMEL_SEED sets the first seed, SEMEL_RUNS (default 60) the number of sequences.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { File, FileSystem } from '../base/runtime.ts'
import { SimDisk } from '../testing/sim-disk.ts'
import { SimRandom } from '../testing/sim-random.ts'
import { nodeFileSystem } from './file-system.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

const SEED = Number(process.env['SEMEL_SEED'] ?? 1)
const RUNS = Number(process.env['SEMEL_RUNS'] ?? 60)
const STEPS = 150
const NAMES = ['a', 'b', 'd', 'd/a', 'd/b', 'd/e', 'd/e/f', 'a/x', 'none/x', '10', '9', 'é']
const FILES_OPEN_MAX = 3

type Step = (fileSystem: FileSystem, root: string, open: Map<number, File>) => Promise<unknown>

/** One operation, as a function of what is drawn, so that each file system is asked the same. */
function drawStep(random: SimRandom): { readonly text: string; readonly run: Step } {
  const name = random.pick(NAMES)
  const other = random.pick(NAMES)
  const handle = random.below(FILES_OPEN_MAX)
  const position = random.pick([0, 0, 1, 5, 100, 5000])
  const size = random.pick([0, 1, 3, 50, 4096])
  const withFile = (text: string, use: (file: File) => Promise<unknown>): { text: string; run: Step } => ({
    text: `${text} of file ${handle}`,
    run: async (_fileSystem, _root, open) => {
      const file = open.get(handle)
      return file === undefined ? 'not open' : await use(file)
    },
  })
  const withName = (text: string, use: (fileSystem: FileSystem, path: string) => Promise<unknown>) => ({
    text: `${text} ${name}`,
    run: ((fileSystem, root) => use(fileSystem, `${root}/${name}`)) as Step,
  })
  const mode = random.pick(['read', 'write', 'create', 'create'] as const)
  const bytes = Buffer.alloc(size, 'abcdefgh'[random.below(8)])
  return random.pick([
    () => withName('makeDirectory', (fileSystem, path) => fileSystem.makeDirectory(path)),
    () => withName('list', (fileSystem, path) => fileSystem.list(path)),
    () => withName('stat', (fileSystem, path) => fileSystem.stat(path)),
    () => withName('remove', (fileSystem, path) => fileSystem.remove(path)),
    () => withName('removeDirectory', (fileSystem, path) => fileSystem.removeDirectory(path)),
    () => withName('syncDirectory', (fileSystem, path) => fileSystem.syncDirectory(path)),
    () => ({
      text: `rename ${name} ${other}`,
      run: ((fileSystem, root) => fileSystem.rename(`${root}/${name}`, `${root}/${other}`)) as Step,
    }),
    ...Array.from({ length: 4 }, () => () => ({
      text: `open ${name} to ${mode} as ${handle}`,
      run: async (fileSystem: FileSystem, root: string, open: Map<number, File>) => {
        const file = await fileSystem.open(`${root}/${name}`, mode)
        await open.get(handle)?.close()
        open.set(handle, file)
      },
    })),
    ...Array.from(
      { length: 3 },
      () => () =>
        withFile(`write ${size} at ${position}`, (file) => file.write([bytes, bytes.subarray(0, 1)], position)),
    ),
    () =>
      withFile(`read ${size} at ${position}`, async (file) => {
        const target = Buffer.alloc(size, '.')
        const count = await file.read(target, position)
        return `${count} ${target.toString('latin1')}`
      }),
    () => withFile('size', (file) => file.sizeBytes()),
    () => withFile(`truncate to ${position}`, (file) => file.truncate(position)),
    () => withFile('sync', (file) => file.sync()),
    () => withFile('close', (file) => file.close()),
  ])()
}

/** What came out of it, without paths and words of one system. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify((await work) ?? 'done')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code ?? error)
  }
}

let root = ''

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'semel-comparison-'))
})

afterAll(() => rm(root, { recursive: true, force: true }))

test.each([
  ['the one in memory', () => new MemoryFileSystem()],
  ['the simulated disk', () => new SimDisk()],
] as const)('%s answers as the real one does, whatever it is asked', { timeout: 300_000 }, async (_, create) => {
  const real = nodeFileSystem()
  for (let seed = SEED; seed < SEED + RUNS; seed += 1) {
    const random = new SimRandom(seed)
    const other: FileSystem = create()
    const directory = await mkdtemp(join(root, 'run-'))
    await other.makeDirectory('/data')
    const open: [Map<number, File>, Map<number, File>] = [new Map(), new Map()]
    const told: string[] = []
    for (let count = 0; count < STEPS; count += 1) {
      const { text, run } = drawStep(random)
      const expected = await outcome(run(real, directory, open[0]))
      const actual = await outcome(run(other, '/data', open[1]))
      told.push(`${text}: ${expected}`)
      expect(actual, `seed ${seed} (SEMEL_SEED=${seed} SEMEL_RUNS=1):\n${told.slice(-12).join('\n')}`).toBe(expected)
    }
    for (const file of open[0].values()) await file.close()
  }
})
