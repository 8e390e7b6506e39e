import { expect, test } from 'vitest'
import { graphOf, shortCycle, strongComponents } from './strong-components.ts'

function graph(nodes: number, edges: readonly (readonly [number, number])[]) {
  return graphOf(
    nodes,
    Int32Array.from(edges, ([from]) => from),
    Int32Array.from(edges, ([, to]) => to),
  )
}

test('a graph without cycles has no components, however deep it is', () => {
  const nodes = 300_000
  const chain = graph(
    nodes,
    Array.from({ length: nodes - 1 }, (_, node) => [node, node + 1] as const),
  )
  expect(strongComponents(chain)).toEqual([])
})

test('each knot is found once, and bridges between knots belong to none', () => {
  const found = strongComponents(
    graph(8, [
      [0, 1],
      [1, 2],
      [2, 0],
      [2, 3],
      [3, 4],
      [5, 6],
      [6, 5],
      [4, 5],
      [7, 7],
    ]),
  )
  const sorted = found.map((component) => component.toSorted((a, b) => a - b).join(' '))
  expect(new Set(sorted)).toEqual(new Set(['0 1 2', '5 6']))
})

test('the shortest cycle of a knot is shown', () => {
  const knot = graph(6, [
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
    [4, 0],
    [3, 2],
    [4, 5],
    [5, 4],
    [2, 0],
  ])
  const [component] = strongComponents(knot)
  expect(component).toHaveLength(6)
  expect(shortCycle(knot, component as number[])).toHaveLength(2)
})

test('a long cycle of which all nodes are needed is shown whole, in its order', () => {
  const nodes = 1_000
  const ring = graph(
    nodes,
    Array.from({ length: nodes }, (_, node) => [node, (node + 1) % nodes] as const),
  )
  const [component] = strongComponents(ring)
  const cycle = shortCycle(ring, component as number[])
  expect(cycle).toHaveLength(nodes)
  for (const [place, node] of cycle.entries()) expect(cycle[(place + 1) % nodes]).toBe((node + 1) % nodes)
})
