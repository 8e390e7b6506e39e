/**
 * The one seam between semel and the world (DESIGN 4): clock, randomness, files, network, log lines and events.
 *
 * Everything that touches the world takes a `Runtime`. `src/runtime/` implements it on Node, `src/testing/` under
 * virtual time with a disk that forgets what was not flushed. Nothing else may reach around it (test/tidy.test.ts).
 */

export interface Runtime {
  readonly clock: Clock
  readonly random: Random
  readonly fileSystem: FileSystem
  readonly network: Network
  readonly logger: Logger
  readonly events: EventSink
}

export interface Clock {
  /** Wall clock, whole milliseconds since the epoch. May step backwards. */
  nowMs(): number
  /** Milliseconds from an arbitrary origin, fractional; never steps backwards. For durations and deadlines. */
  monotonicMs(): number
  /**
   * Calls back once after `delayMs` (0 or more).
   * @param options.keepsProcessAlive  without it a process with nothing else to do ends before the call
   */
  setTimer(delayMs: number, callback: () => void, options?: { readonly keepsProcessAlive?: boolean }): Timer
}

export interface Timer {
  cancel(): void
}

export interface Random {
  /** Uniform over 0 … 2^32 - 1. */
  nextUint32(): number
  /** Overwrites all of `target` with random bytes. */
  fill(target: Uint8Array): void
}

/**
 * Files as the broker uses them. Every method rejects with an error that has Node's `code` ('ENOSPC', 'EIO', 'ENOENT' …).
 *
 * What a crash keeps: bytes of a file up to its last `sync`, and names in a directory up to its last `syncDirectory`.
 */
export interface FileSystem {
  /** Creates a directory and its parents; succeeds when it exists. */
  makeDirectory(path: string): Promise<void>
  /** Names (not paths) of the files and directories inside, sorted. Rejects with ENOENT. */
  list(path: string): Promise<string[]>
  stat(path: string): Promise<FileStatus | undefined>
  /** `read`: must exist. `write`: must exist, read and write. `create`: read and write, made empty if missing, kept if there. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<File>
  rename(from: string, to: string): Promise<void>
  /** Removes a file; succeeds when it is missing. */
  remove(path: string): Promise<void>
  /** Removes a directory with all it holds; succeeds when it is missing. */
  removeDirectory(path: string): Promise<void>
  /** Makes creations, renames and removals inside `path` durable. */
  syncDirectory(path: string): Promise<void>
  /** Takes the exclusive lock named by `path`, held until `release` or the end of the process; rejects with code 'ELOCKED'. */
  lock(path: string): Promise<FileLock>
  /** Bytes still free on the volume of `path`, `undefined` when unknown. */
  freeBytes(path: string): Promise<number | undefined>
}

export interface FileStatus {
  readonly sizeBytes: number
  readonly isDirectory: boolean
}

export interface FileLock {
  release(): Promise<void>
}

export interface File {
  readonly path: string
  sizeBytes(): Promise<number>
  /** Fills `target` from `position` as far as the file goes; answers the count of bytes read. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Writes all chunks one after the other at `position`, looping over short writes. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>
  truncate(sizeBytes: number): Promise<void>
  /** Makes all bytes written so far durable (fdatasync). After a rejection the contents are unknown: never retry. */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface Network {
  /** Port 0 picks a free one. */
  listen(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<Listener>
  /**
   * @param options.signal  gives the attempt up, so that nothing of it is left
   * @param options.into  where to put what arrives; a network that cannot do so hands over chunks of its own
   */
  connect(options: { host: string; port: number; signal?: AbortSignal; into?: ReceiveRoom }): Promise<Socket>
}

/** Room for what a socket receives. What is put there is handed to `onData` as the beginning of the room that was given last. */
export interface ReceiveRoom {
  /** At least one byte; asked for anew after each `onData`. */
  room(): Uint8Array
}

export interface ListenOptions {
  readonly host: string
  readonly port: number
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Stops accepting; open sockets stay open. */
  close(): Promise<void>
}

/** A byte stream. Exactly one handler of each kind; set them synchronously in `onConnection`. */
export interface Socket {
  readonly remoteAddress: string
  readonly remotePort: number
  onData: (chunk: Uint8Array) => void
  /** The peer has sent its last byte (half-close). */
  onEnd: () => void
  /** Called once, last, whatever ended the connection. */
  onClose: (error: Error | undefined) => void
  /** Bytes handed to `write` that the peer has not been sent yet fell below the low-water mark. */
  onDrain: () => void
  /** Queues all chunks; they must not change afterwards. False: stop writing until `onDrain`. */
  write(chunks: readonly Uint8Array[]): boolean
  /** Bytes queued here and not yet handed to the operating system. */
  readonly bufferedBytes: number
  pause(): void
  resume(): void
  /** Sends what is queued, then closes. */
  end(): void
  destroy(): void
}

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export type LogFields = Readonly<Record<string, unknown>>

/**
 * Structured events, one channel per kind ('semel:broker:append' …); on Node a `node:diagnostics_channel`.
 * Publishing must cost nothing while nobody listens: build the payload only when `hasSubscribers`.
 */
export interface EventSink {
  hasSubscribers(channel: string): boolean
  publish(channel: string, event: object): void
}
