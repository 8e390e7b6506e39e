import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Deadline, Deadlines } from './deadlines.ts'

it('whatever is set, moved and cancelled, what is due comes out in order, equal ones as they were set', () => {
  const step = fc.record({
    kind: fc.constantFrom('set' as const, 'cancel' as const, 'take' as const),
    index: fc.nat(9),
    ms: fc.nat(20),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const deadlines = new Deadlines<number>()
      const all = Array.from({ length: 10 }, (_, index) => new Deadline(index))
      let model: { index: number; ms: number }[] = []
      for (const { kind, index, ms } of steps) {
        const deadline = all[index] as Deadline<number>
        if (kind === 'take') {
          model.sort((a, b) => a.ms - b.ms)
          const due = model[0] !== undefined && model[0].ms <= ms ? model.shift() : undefined
          expect(deadlines.takeDue(ms)?.event).toBe(due?.index)
        } else {
          model = model.filter((entry) => entry.index !== index)
          if (kind === 'set') {
            model.push({ index, ms })
            deadlines.set(deadline, ms)
          } else deadlines.cancel(deadline)
        }
        expect(deadlines.size).toBe(model.length)
        expect(deadlines.nextMs).toBe(model.length === 0 ? undefined : Math.min(...model.map((entry) => entry.ms)))
      }
    }),
  )
})
