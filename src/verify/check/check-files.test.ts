import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../runtime/memory-file-system.ts'
import { SimRandom } from '../../testing/sim-random.ts'
import { HistoryFileStream } from '../history/history-writer.ts'
import { TABLE_NAMES } from '../history/tables.ts'
import { check } from './check.ts'
import { checkFiles } from './check-files.ts'
import { Model } from './model.test-kit.ts'
import { Planting } from './planting.test-kit.ts'
import { PLANTS } from './plants.test-kit.ts'

test('files of several processes and a history in memory get the same verdict', async () => {
  for (const [seed, plant] of PLANTS.entries()) {
    const random = new SimRandom(seed)
    const draw = (limit: number): number => random.below(limit)
    const model = new Model(seed, draw).run(plant.finale)
    plant.plant(new Planting(model, draw))
    const history = model.draft.history()
    const fileSystem = new MemoryFileSystem()
    const paths = ['/writers', '/readers', '/control']
    const streams = await Promise.all(paths.map((path) => HistoryFileStream.open(fileSystem, path, history.info)))
    const [writers, readers, control] = streams as [HistoryFileStream, HistoryFileStream, HistoryFileStream]
    for (const table of TABLE_NAMES) {
      for (const row of model.draft.rows[table]) {
        const isOfWriter = 'writer' in row && row.writer % 2 === 0 && table !== 'logRecord' && table !== 'read'
        const stream = isOfWriter ? writers : 'reader' in row ? readers : control
        stream.record(table, row)
        if (draw(10) === 0) stream.flush()
      }
    }
    for (const stream of streams) await stream.close()
    const verdict = await checkFiles(fileSystem, paths)
    // The order of rows of different processes within a table is not kept, and so neither is that of the examples.
    const outline = ({ anomalies, counts, notChecked }: typeof verdict) => ({
      kinds: anomalies.map(({ code, isAllowed, count }) => ({ code, isAllowed, count })),
      counts,
      notChecked,
    })
    expect(outline(verdict), `seed ${seed}`).toEqual(outline(check(history)))
  }
})
