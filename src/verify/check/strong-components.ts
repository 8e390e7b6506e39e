/**
 * Directed graphs of numbered nodes: which of them lie on cycles, and a short cycle for each knot. Iterative throughout, as the graphs of
 * large histories are deeper than any stack.
 */

/** Successors of node n: `targets` from `starts[n]` to `starts[n + 1]`. */
export interface Graph {
  readonly starts: Int32Array
  readonly targets: Int32Array
}

/** Edge i goes from `from[i]` to `to[i]`. */
export function graphOf(nodes: number, from: Int32Array, to: Int32Array): Graph {
  const starts = new Int32Array(nodes + 1)
  for (const node of from) starts[node + 1] = (starts[node + 1] as number) + 1
  for (let node = 0; node < nodes; node += 1) starts[node + 1] = (starts[node + 1] as number) + (starts[node] as number)
  const next = starts.slice(0, nodes)
  const targets = new Int32Array(from.length)
  for (let edge = 0; edge < from.length; edge += 1) {
    const place = next[from[edge] as number] as number
    targets[place] = to[edge] as number
    next[from[edge] as number] = place + 1
  }
  return { starts, targets }
}

const UNSEEN = -1

/** Strongly connected components of at least two nodes (Tarjan 1972). Edges of a node to itself are not cycles here. */
export function strongComponents({ starts, targets }: Graph): number[][] {
  const nodes = starts.length - 1
  const order = new Int32Array(nodes).fill(UNSEEN)
  const lowest = new Int32Array(nodes)
  const isOpen = new Uint8Array(nodes)
  const nextEdge = starts.slice(0, nodes)
  const open = new Int32Array(nodes)
  const path = new Int32Array(nodes)
  const found: number[][] = []
  let openCount = 0
  let depth = 0
  let seen = 0
  for (let root = 0; root < nodes; root += 1) {
    if (order[root] !== UNSEEN || starts[root] === starts[root + 1]) continue
    enter(root)
    while (depth > 0) {
      const node = path[depth - 1] as number
      const edge = nextEdge[node] as number
      if (edge < (starts[node + 1] as number)) {
        nextEdge[node] = edge + 1
        const target = targets[edge] as number
        if (order[target] === UNSEEN) enter(target)
        else if (isOpen[target] === 1) lowest[node] = Math.min(lowest[node] as number, order[target] as number)
        continue
      }
      depth -= 1
      if (depth > 0) {
        const parent = path[depth - 1] as number
        lowest[parent] = Math.min(lowest[parent] as number, lowest[node] as number)
      }
      if (lowest[node] === order[node]) close(node)
    }
  }
  return found

  function enter(node: number): void {
    order[node] = seen
    lowest[node] = seen
    seen += 1
    open[openCount] = node
    openCount += 1
    isOpen[node] = 1
    path[depth] = node
    depth += 1
  }

  function close(root: number): void {
    const component: number[] = []
    for (;;) {
      openCount -= 1
      const node = open[openCount] as number
      isOpen[node] = 0
      component.push(node)
      if (node === root) break
    }
    if (component.length > 1) found.push(component)
  }
}

/** Of so many nodes of a component the shortest cycle is looked for; a larger one shows a short one, maybe not the shortest. */
const ROOTS_MAX = 256
/** And no further once so many edges were followed. */
const EDGES_FOLLOWED_MAX = 5_000_000

/** A shortest cycle through the component, by breadth-first search; the last node leads back to the first. */
export function shortCycle({ starts, targets }: Graph, component: readonly number[]): number[] {
  const inside = new Set(component)
  let best: number[] = []
  let followed = 0
  for (const root of component.slice(0, ROOTS_MAX)) {
    const cycle = cycleThrough(root, best.length === 0 ? Infinity : best.length)
    if (cycle !== undefined) best = cycle
    if (best.length === 2 || (best.length > 0 && followed > EDGES_FOLLOWED_MAX)) break
  }
  return best

  /** `undefined`: none that is shorter than `limit`. */
  function cycleThrough(root: number, limit: number): number[] | undefined {
    const cameFrom = new Map<number, number>([[root, root]])
    let level = [root]
    for (let length = 1; level.length > 0 && length < limit; length += 1) {
      const next: number[] = []
      for (const node of level) {
        for (let edge = starts[node] as number; edge < (starts[node + 1] as number); edge += 1) {
          const target = targets[edge] as number
          followed += 1
          if (target === root && node !== root) return pathTo(node, cameFrom, root)
          if (!inside.has(target) || cameFrom.has(target)) continue
          cameFrom.set(target, node)
          next.push(target)
        }
      }
      level = next
    }
    return undefined
  }
}

function pathTo(node: number, cameFrom: ReadonlyMap<number, number>, root: number): number[] {
  const path = [node]
  for (let at = node; at !== root; at = path.at(-1) as number) path.push(cameFrom.get(at) as number)
  return path.reverse()
}
