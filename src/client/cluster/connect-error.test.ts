/** What a user is told when the address is not what it should be; real sockets, as real peers answer in their own ways. */
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import type { Network, Runtime } from '../../base/runtime.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { nodeRuntime } from '../../runtime/node-runtime.ts'
import { ScriptedBroker } from '../../testing/scripted-broker.ts'
import type { KafkaError } from '../errors.ts'
import type { Cluster } from './cluster.ts'
import { HEARTBEAT, newCluster } from './cluster.test-kit.ts'

const runtime = nodeRuntime({ logger: silentLogger })
const undo: (() => unknown)[] = []

afterEach(async () => {
  for (const step of undo.splice(0)) await step()
})

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  undo.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function clusterAt(host: string, port: number, world: Runtime = runtime): Cluster {
  const cluster = newCluster(world, [{ host, port }], { connectTimeoutMs: 300 })
  undo.push(() => cluster.close())
  return cluster
}

async function messageOf(cluster: Cluster): Promise<string> {
  const error: unknown = await cluster
    .send({ ...HEARTBEAT, destination: { kind: 'any' } })
    .catch((reason: unknown) => reason)
  return (error as KafkaError).message
}

test('a port where nothing listens', async () => {
  const port = await listening(createServer())
  for (const step of undo.splice(0)) await step()
  expect(await messageOf(clusterAt('127.0.0.1', port))).toMatch(
    /^CONNECTION_FAILED: 127\.0\.0\.1:\d+: nothing listens there: is the broker running, and is this its port\?/,
  )
})

test('a port that speaks HTTP', async () => {
  const port = await listening(createHttpServer((_, response) => response.end()))
  expect(await messageOf(clusterAt('127.0.0.1', port))).toMatch(
    /the port speaks HTTP, not the Kafka protocol; check the port/,
  )
})

test('a port that speaks TLS and says so', async () => {
  const alert = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a])
  const port = await listening(createServer((socket) => void socket.once('data', () => socket.end(alert))))
  expect(await messageOf(clusterAt('127.0.0.1', port))).toMatch(/the port speaks TLS, and this client PLAINTEXT/)
})

test('a real TLS server', async () => {
  const port = await listening(createTlsServer(() => undefined))
  expect(await messageOf(clusterAt('127.0.0.1', port))).toMatch(/TLS/)
})

test('a port that closes at once', async () => {
  const port = await listening(createServer((socket) => void socket.end()))
  expect(await messageOf(clusterAt('127.0.0.1', port))).toMatch(
    /before it answered anything: is a Kafka listener without TLS and SASL there\?/,
  )
})

test('a port that resets at once', async () => {
  const port = await listening(createServer((socket) => void socket.resetAndDestroy()))
  expect(await messageOf(clusterAt('127.0.0.1', port))).toMatch(/before it answered anything: is a Kafka listener/)
})

test('a port that says nothing', async () => {
  const port = await listening(createServer())
  expect(await messageOf(clusterAt('127.0.0.1', port))).toMatch(
    /REQUEST_TIMEOUT: ApiVersions at .*: no answer to ApiVersions in time.* is a Kafka listener/,
  )
})

/** A network in which one name cannot be resolved and one address leads nowhere. */
function withoutName(name: string, code: string): Network {
  return {
    listen: (options, onConnection) => runtime.network.listen(options, onConnection),
    connect(options) {
      if (options.host === name)
        return Promise.reject(Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code }))
      return runtime.network.connect(options)
    },
  }
}

test.each(['ENOTFOUND', 'EAI_AGAIN'])('a bootstrap name that cannot be resolved (%s)', async (code) => {
  const cluster = clusterAt('kafka.example', 9092, { ...runtime, network: withoutName('kafka.example', code) })
  expect(await messageOf(cluster)).toMatch(
    /the name kafka\.example cannot be resolved: check `brokers` and the name service/,
  )
})

test.each([
  [
    'ENOTFOUND',
    /node 7\): the name inside\.example cannot be resolved: this is the address under which the broker tells/,
  ],
  ['ECONNREFUSED', /node 7\): nothing listens there: the broker is down, or its advertised address is wrong/],
  ['EHOSTUNREACH', /node 7\): no connection \(EHOSTUNREACH\): this is the address under which the broker tells/],
])('an advertised address that leads nowhere (%s) is told from a bootstrap address', async (code, message) => {
  const peer = await ScriptedBroker.start(runtime.network)
  undo.push(() => peer.close())
  peer.nodes = [{ nodeId: 7, host: 'inside.example', port: 9092 }]
  const cluster = clusterAt('127.0.0.1', peer.port, { ...runtime, network: withoutName('inside.example', code) })
  await cluster.requireBrokers({ timeoutMs: 2_000 })
  const error: unknown = await cluster
    .send({ ...HEARTBEAT, destination: { kind: 'node', nodeId: 7 } })
    .catch((reason: unknown) => reason)
  expect((error as KafkaError).message).toMatch(message)
  expect((error as KafkaError).message).toMatch(/advertised\.listeners|semel start --advertise/)
})

test('close while it connects leaves no socket behind', async () => {
  // An address that is there for documentation only: nobody answers, and nobody refuses.
  const cluster = clusterAt('192.0.2.1', 9092)
  const waiting = messageOf(cluster)
  await cluster.close()
  expect(await waiting).toMatch(/CLOSED/)
})
