/** Turns what stopped a broker into a sentence that says what is wrong and what to do. */

interface Context {
  readonly dataDir?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
}

export function describeStartError(error: unknown, { dataDir, host, port }: Context): string {
  if (!(error instanceof Error)) return String(error)
  const { code, syscall, path } = error as NodeJS.ErrnoException
  const place = path ?? dataDir ?? 'the data directory'
  if (syscall === 'listen' || syscall === 'getaddrinfo') {
    const address = `${host ?? '127.0.0.1'}:${port ?? 9092}`
    switch (code) {
      case 'EADDRINUSE':
        return `${address} is in use by another program, perhaps another broker; stop that one, or choose another port with --port (0 picks a free one)`
      case 'EACCES':
        return `not allowed to listen on ${address}; ports below 1024 need privileges, choose another with --port`
      case 'EADDRNOTAVAIL':
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return `${host ?? '127.0.0.1'} is not an address of this machine; choose one with --host, and use --advertise for what clients see`
      default:
        return error.message
    }
  }
  switch (code) {
    case 'ELOCKED':
      return `${dataDir ?? place} is in use by another broker${holderOf(error)}; stop that one, or choose another directory with --data`
    case 'ENOENT':
      return `${place} does not exist`
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `not allowed to write to ${place}; make it writable for this user, or choose another directory with --data`
    case 'ENOTDIR':
    case 'EEXIST':
      return `${place} is not a directory; choose another with --data`
    case 'ENOSPC':
      return `no space is left for ${place}; free some and start again, nothing that was acknowledged is lost`
    default:
      return error.message
  }
}

/** Who holds the lock, as far as whoever refused it knows. */
function holderOf(error: Error): string {
  const { holder } = (error.cause ?? error) as { holder?: unknown }
  return typeof holder === 'string' ? ` (${holder})` : ''
}
