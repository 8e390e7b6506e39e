/** A client's way to scripted peers in virtual time. */
import { expect } from 'vitest'
import type { Runtime } from '../../base/runtime.ts'
import { findCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { heartbeat } from '../../protocol/messages/heartbeat.ts'
import { ScriptedBroker, type ScriptedOptions } from '../../testing/scripted-broker.ts'
import { type SimRuntime, simRuntime } from '../../testing/sim-runtime.ts'
import { Cluster } from './cluster.ts'
import type { ClusterOptions } from './cluster-options.ts'
import { BrokerLink } from './broker-link.ts'

export const SETTINGS = {
  clientId: 'test',
  softwareVersion: '0',
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 5_000,
  reconnectBackoffMs: 50,
  reconnectBackoffMaxMs: 1_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1_000,
  metadataMaxAgeMs: 300_000,
  maxResponseBytes: 1_000_000,
  autoCreateTopics: false,
}

export interface World {
  readonly runtime: SimRuntime
  peer(options?: ScriptedOptions): Promise<ScriptedBroker>
  link(peer: { readonly port: number }, settings?: Partial<typeof SETTINGS>): BrokerLink
  cluster(bootstrap: readonly { readonly port: number }[], options?: Partial<ClusterOptions>): Cluster
  sleep(ms: number): Promise<void>
}

/** Runs in virtual time; afterwards nothing may be left: no timer, no connection. */
export async function inWorld(work: (world: World) => Promise<void>, seed = 1): Promise<void> {
  const runtime = simRuntime(seed)
  const peers: ScriptedBroker[] = []
  const closables: { close(reason: string): unknown }[] = []
  const world: World = {
    runtime,
    async peer(options) {
      const peer = await ScriptedBroker.start(runtime.network, options)
      peers.push(peer)
      return peer
    },
    link({ port }, settings) {
      const address = { host: '127.0.0.1', port, nodeId: undefined }
      const link = new BrokerLink(runtime, address, { ...SETTINGS, ...settings }, () => undefined)
      closables.push(link)
      return link
    },
    cluster(bootstrap, options) {
      const cluster = newCluster(runtime, bootstrap, options)
      closables.push(cluster)
      return cluster
    },
    sleep: (ms) => new Promise((resolve) => void runtime.clock.setTimer(ms, resolve)),
  }
  await runtime.clock.runUntil(work(world))
  for (const closable of closables) await closable.close('the test is over')
  // What was said last arrives.
  await runtime.clock.advance(1)
  for (const peer of peers) expect(peer.openConnections, 'connections left open').toBe(0)
  expect(runtime.clock.pendingTimers, 'timers left').toBe(0)
}

export function newCluster(
  runtime: Runtime,
  bootstrap: readonly { readonly port: number; readonly host?: string }[],
  options: Partial<ClusterOptions> = {},
): Cluster {
  return new Cluster({
    ...SETTINGS,
    bootstrap: bootstrap.map(({ port, host = '127.0.0.1' }) => ({ host, port })),
    runtime,
    ...options,
  })
}

/** Any request will do; this one is short. */
export const HEARTBEAT = {
  api: heartbeat,
  body: { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null },
  timeoutMs: 5_000,
} as const

export const HEARTBEAT_OK = { throttleTimeMs: 0, errorCode: 'NONE' }

/** A request that scripted peers answer by themselves. */
export const LOOKUP = {
  api: findCoordinator,
  body: { key: 'g', keyType: 0, coordinatorKeys: ['g'] },
  timeoutMs: 5_000,
} as const
