/**
 * A peer that answers from a script: any API, in any version, also what no broker would say. Knows enough by itself for a
 * client to find its way (ApiVersions, Metadata, FindCoordinator); the script may take every request from it.
 */
import type { Listener, Network, Socket } from '../base/runtime.ts'
import { FrameAssembler } from '../net/frame.ts'
import { apis } from '../protocol/apis.ts'
import { parseVersionRange } from '../protocol/version-range.ts'
import type { Message, RequestFrame } from './wire-frames.ts'
import { readRequestFrame, responseBytes } from './wire-frames.ts'

const FRAME_BYTES_MAX = 64 * 1024 * 1024

/** A request, and the ways to answer it. */
export interface ScriptedRequest extends RequestFrame {
  /** Counts connections of the broker from 0. */
  readonly connection: number
  /** As this API and version, or in another version (ApiVersions). */
  answer(response: Message, version?: number): void
  /** Bytes as they are. */
  answerRaw(bytes: Uint8Array): void
  /** The answer is cut after this many bytes, and the connection with it. */
  answerCut(response: Message, byteCount: number): void
  /** Ends the connection: at once, or with a half-close. */
  disconnect(how?: 'destroy' | 'end'): void
}

/** @returns true: dealt with (answered, or to be left without an answer); false: the broker answers by itself */
export type Script = (request: ScriptedRequest) => boolean

export interface ScriptedNode {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export interface ScriptedOptions {
  readonly nodeId?: number
  readonly host?: string
  readonly port?: number
  readonly script?: Script
  /** By API name; others in all versions there are a schema for. */
  readonly versions?: Readonly<Record<string, readonly [min: number, max: number]>>
  /** Only these APIs; all unless given. */
  readonly only?: readonly string[]
}

export class ScriptedBroker {
  readonly nodeId: number
  readonly requests: ScriptedRequest[] = []
  script: Script
  /** What Metadata names; this broker alone unless changed. */
  nodes: ScriptedNode[] = []
  /** Partition counts; topics that are missing are unknown. */
  readonly topics = new Map<string, number>()
  connectionCount = 0
  readonly #options: ScriptedOptions
  readonly #sockets = new Set<Socket>()
  #listener: Listener | undefined

  private constructor(options: ScriptedOptions) {
    this.#options = options
    this.nodeId = options.nodeId ?? 0
    this.script = options.script ?? ((): boolean => false)
  }

  static async start(network: Network, options: ScriptedOptions = {}): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(options)
    const address = { host: options.host ?? '127.0.0.1', port: options.port ?? 0 }
    broker.#listener = await network.listen(address, (socket) => broker.#onConnection(socket))
    broker.nodes = [{ nodeId: broker.nodeId, host: address.host, port: broker.port }]
    return broker
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  /** Names of the APIs that were asked, in order. */
  get asked(): string[] {
    return this.requests.map(({ api }) => api.name)
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of [...this.#sockets]) socket.destroy()
    this.#sockets.clear()
  }

  async close(): Promise<void> {
    this.cut()
    await this.#listener?.close()
  }

  #onConnection(socket: Socket): void {
    const connection = this.connectionCount
    this.connectionCount += 1
    this.#sockets.add(socket)
    const frames = new FrameAssembler(FRAME_BYTES_MAX)
    socket.onData = (chunk) => {
      frames.push(chunk)
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        this.#onRequest(readRequestFrame(Buffer.from(frame)), connection, socket)
      }
    }
    socket.onEnd = () => socket.end()
    socket.onClose = () => void this.#sockets.delete(socket)
  }

  #onRequest(frame: RequestFrame, connection: number, socket: Socket): void {
    const request: ScriptedRequest = {
      ...frame,
      connection,
      answer: (response, version) => void socket.write([responseBytes(frame, response, version)]),
      answerRaw: (bytes) => void socket.write([bytes]),
      answerCut(response, byteCount) {
        socket.write([responseBytes(frame, response).subarray(0, byteCount)])
        socket.end()
      },
      disconnect(how = 'destroy') {
        if (how === 'end') socket.end()
        else socket.destroy()
      },
    }
    this.requests.push(request)
    if (this.script(request)) return
    const response = this.#ownAnswer(request)
    if (response !== undefined) request.answer(response)
  }

  #ownAnswer({ api, body }: RequestFrame): Message {
    switch (api.name) {
      case 'ApiVersions':
        return { errorCode: 'NONE', apiKeys: this.apiKeys(), throttleTimeMs: 0 }
      case 'Metadata':
        return this.metadata(body)
      case 'FindCoordinator':
        return this.coordinatorAt(this.#self(), body)
      default:
        return undefined
    }
  }

  /** What ApiVersions says. */
  apiKeys(): { apiKey: number; minVersion: number; maxVersion: number }[] {
    const { only, versions } = this.#options
    return apis
      .filter(({ name }) => only === undefined || only.includes(name))
      .map((api) => {
        const all = parseVersionRange(api.versions)
        const [minVersion, maxVersion] = versions?.[api.name] ?? [all?.min ?? 0, all?.max ?? 0]
        return { apiKey: api.key, minVersion, maxVersion }
      })
  }

  /** What Metadata answers, to be changed by a script. */
  metadata(body: Message): Message {
    const names: string[] = body.topics === null ? [...this.topics.keys()] : body.topics.map((one: Message) => one.name)
    const leaders = this.nodes.length === 0 ? [-1] : this.nodes.map(({ nodeId }) => nodeId)
    return {
      brokers: this.nodes.map((node) => ({ ...node, rack: null })),
      clusterId: 'scripted',
      controllerId: leaders[0],
      topics: names.map((name) => {
        const count = this.topics.get(name)
        return {
          errorCode: count === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'NONE',
          name,
          topicId: topicIdOf(name),
          partitions: Array.from({ length: count ?? 0 }, (_, partitionIndex) => {
            const leaderId = leaders[partitionIndex % leaders.length]
            return { errorCode: 'NONE', partitionIndex, leaderId, leaderEpoch: 0, replicaNodes: [], isrNodes: [] }
          }),
        }
      }),
    }
  }

  /** What FindCoordinator answers when the node coordinates every key. */
  coordinatorAt(node: ScriptedNode, body: Message): Message {
    const answer = { ...node, errorCode: 'NONE', errorMessage: null }
    return { ...answer, coordinators: body.coordinatorKeys.map((key: string) => ({ ...answer, key })) }
  }

  #self(): ScriptedNode {
    return { nodeId: this.nodeId, host: this.#options.host ?? '127.0.0.1', port: this.port }
  }
}

/** A uuid of its own for each name. */
function topicIdOf(name: string): string {
  return Buffer.from(name.padEnd(16, '.').slice(0, 16), 'latin1').toString('base64url')
}
