/** All workloads, by name. */
import { abortPosition } from './abort-position.ts'
import { bank } from './bank.ts'
import { compact } from './compact.ts'
import { copier } from './copier.ts'
import { hijack } from './hijack.ts'
import { long } from './long.ts'
import { queue } from './queue.ts'
import type { Workload } from './workload.ts'

export const WORKLOADS: readonly Workload[] = [queue, copier, bank, hijack, long, abortPosition, compact]

export function findWorkload(name: string): Workload | undefined {
  return WORKLOADS.find((workload) => workload.name === name)
}
