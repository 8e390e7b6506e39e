/** All workloads, by name. */
import { bank } from './bank.ts'
import { queue } from './queue.ts'
import type { Workload } from './workload.ts'

export const WORKLOADS: readonly Workload[] = [queue, bank]

export function findWorkload(name: string): Workload | undefined {
  return WORKLOADS.find((workload) => workload.name === name)
}
