/**
 * One process per directory.
 *
 * On Linux the lock is a listening socket in the abstract namespace, named from the device and inode of the directory and
 * the file name: taking it is atomic, and the kernel lets go of it when the process dies, however it dies. It is visible
 * within one network namespace: two containers that share a directory but no network are not kept apart.
 *
 * Elsewhere the lock is the file itself, created exclusively and holding the process id; one left by a process that no
 * longer lives is taken over.
 *
 * In both cases the file at `path` names the holder, so that a refusal can say who it is.
 */

import { mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import type { FileLock } from '../base/runtime.ts'
import { fileError } from './file-error.ts'

/** @throws code 'ELOCKED'; the message and `holder` name who has it ('process 42 on host') */
export function lockFile(path: string): Promise<FileLock> {
  return process.platform === 'linux' ? lockByAbstractSocket(path) : lockByPidFile(path)
}

export async function lockByAbstractSocket(path: string): Promise<FileLock> {
  const server = await listen(await socketName(path)).catch(async (error: NodeJS.ErrnoException) => {
    throw error.code === 'EADDRINUSE' ? await lockedError(path) : error
  })
  const close = (): Promise<void> => new Promise((done) => server.close(() => done()))
  try {
    await writeFile(path, describeHolder())
  } catch (error) {
    await close()
    throw error
  }
  return {
    async release() {
      // The name goes first: once the socket is closed the file may already be another holder's.
      await rm(path, { force: true })
      await close()
    },
  }
}

async function socketName(path: string): Promise<string> {
  const { dev, ino } = await stat(dirname(resolve(path)))
  return `\0semel-lock-${dev}-${ino}-${basename(path)}`
}

/** Who holds the lock at this moment ('process 42 on host'), found out without taking it; `undefined`: nobody. */
export async function lockHolder(path: string): Promise<string | undefined> {
  const holder = await readHolder(path)
  const isHeld =
    process.platform === 'linux' ? await isListening(await socketName(path)) : holder !== undefined && isAlive(holder)
  if (!isHeld) return undefined
  return holder === undefined ? 'another process' : `process ${holder.processId} on ${holder.host}`
}

function isListening(name: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ path: name })
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

function listen(name: string): Promise<Server> {
  return new Promise((done, fail) => {
    // Nobody has business connecting; who does (a port scanner of sockets, say) is shown out.
    const server = createServer((socket) => socket.destroy())
    server.once('error', fail)
    // `exclusive`: a cluster worker would otherwise share the primary's socket, and the lock with it.
    server.listen({ path: name, exclusive: true }, () => done(server))
    server.unref()
  })
}

// One process may hold several runtimes, and after a restart it may have the process id of the holder before it (in a
// container both are 1). So which locks this very process holds is known only here.
const heldByThisProcess = new Set<string>()

export async function lockByPidFile(path: string): Promise<FileLock> {
  const key = resolve(path)
  if (heldByThisProcess.has(key)) throw await lockedError(path)
  heldByThisProcess.add(key)
  try {
    for (;;) {
      if (await createExclusively(key)) break
      const holder = await readHolder(key)
      if (holder !== undefined && isAlive(holder)) throw await lockedError(path)
      await discardStale(key)
    }
  } catch (error) {
    heldByThisProcess.delete(key)
    throw error
  }
  return {
    async release() {
      await rm(key, { force: true })
      heldByThisProcess.delete(key)
    },
  }
}

async function createExclusively(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(describeHolder())
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Moves the file away before removing it: of several who find it stale, each removes at most what it moved itself. */
async function discardStale(path: string): Promise<void> {
  const aside = await mkdtemp(`${path}-stale-`)
  try {
    await rename(path, join(aside, 'lock'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

interface Holder {
  readonly processId: number
  readonly host: string
}

function describeHolder(): string {
  return `${JSON.stringify({ processId: process.pid, host: hostname() })}\n`
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const holder: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof holder !== 'object' || holder === null) return undefined
    const { processId, host } = holder as Partial<Holder>
    return typeof processId === 'number' && typeof host === 'string' ? { processId, host } : undefined
  } catch {
    // Missing, or being written just now: then nothing more is known about the holder.
    return undefined
  }
}

function isAlive(holder: Holder): boolean {
  // Another host's processes cannot be asked after; believing that one lives is the safe side.
  if (holder.host !== hostname()) return true
  if (holder.processId === process.pid) return false
  try {
    process.kill(holder.processId, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function lockedError(path: string): Promise<Error> {
  const holder = await readHolder(path)
  const by =
    holder === undefined
      ? 'another process'
      : holder.processId === process.pid && holder.host === hostname()
        ? 'this process'
        : `process ${holder.processId} on ${holder.host}`
  return Object.assign(fileError('ELOCKED', 'lock', path, `the directory is in use by ${by}`), { holder: by })
}
