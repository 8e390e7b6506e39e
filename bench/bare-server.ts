/**
 * What the broker is measured against: a program that does only what any durable log must. It takes length-prefixed
 * frames over TCP, appends their bytes to one file with group commit (everything that arrived during a flush goes out in
 * the next write and flush), and answers each frame with its correlation id. The file is zeroed some way ahead, as the
 * cost of a small flush demands; what goes beyond makes it grow, for a log never ends.
 *
 *     node bench/bare-server.ts DIRECTORY fsync|os|memory
 *
 * Prints its port when ready.
 */
import { open } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'

const [, , directory = '.', durability = 'fsync'] = process.argv
const PREALLOCATED_BYTES = 64 * 1024 * 1024
const ZEROES = Buffer.alloc(1024 * 1024)

const file = await open(join(directory, 'bare.log'), 'w+')
for (let position = 0; position < PREALLOCATED_BYTES; position += ZEROES.length) {
  await file.write(ZEROES, 0, ZEROES.length, position)
}
await file.datasync()

interface Waiting {
  readonly socket: Socket
  readonly correlationId: number
  readonly bytes: Buffer
}

let waiting: Waiting[] = []
let isFlushing = false
let position = 0

async function flush(): Promise<void> {
  isFlushing = true
  while (waiting.length > 0) {
    const group = waiting
    waiting = []
    if (durability !== 'memory') {
      for (let start = 0; start < group.length; start += 1000) {
        const chunks = group.slice(start, start + 1000).map(({ bytes }) => bytes)
        const { bytesWritten } = await file.writev(chunks, position)
        position += bytesWritten
      }
      if (durability === 'fsync') await file.datasync()
    }
    for (const { socket, correlationId } of group) {
      const reply = Buffer.allocUnsafe(8)
      reply.writeInt32BE(4, 0)
      reply.writeInt32BE(correlationId, 4)
      socket.write(reply)
    }
  }
  isFlushing = false
}

const server = createServer({ noDelay: true }, (socket) => {
  let chunks: Buffer[] = []
  let bufferedBytes = 0
  let wantedBytes = 4
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    chunks.push(chunk)
    bufferedBytes += chunk.length
    while (bufferedBytes >= wantedBytes) {
      let all = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bufferedBytes)
      while (all.length >= 4) {
        const frameBytes = 4 + all.readInt32BE(0)
        wantedBytes = frameBytes
        if (all.length < frameBytes) break
        waiting.push({ socket, correlationId: all.readInt32BE(8), bytes: all.subarray(0, frameBytes) })
        all = all.subarray(frameBytes)
        wantedBytes = 4
      }
      chunks = all.length > 0 ? [all] : []
      bufferedBytes = all.length
      if (bufferedBytes < wantedBytes) break
    }
    if (!isFlushing) void flush()
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`)
})
process.on('SIGTERM', () => process.exit(0))
