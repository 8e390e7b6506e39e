/**
 * Where the broker listens and what it tells clients about it, from `listeners` and `advertised.listeners`.
 * Source: SocketServerConfigs.listenerListToEndPoints (4.3.1).
 */
import { ConfigError } from './config.ts'
import type { BrokerConfig } from './config.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

const WILDCARD_HOSTS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])
const PORT_MAX = 65_535

/**
 * The one address to listen on. An empty host is every interface.
 * @throws ConfigError  none, several, or one that needs TLS or SASL
 */
export function listenerOf(config: BrokerConfig): Endpoint {
  const endpoint = onlyEndpoint('listeners', config.listeners, config.controllerListenerNames)
  if (endpoint === undefined)
    throw new ConfigError('listeners names no address to listen on; write PLAINTEXT://host:port')
  return endpoint.host === '' ? { ...endpoint, host: '0.0.0.0' } : endpoint
}

/** What `advertised.listeners` says, `undefined` when it is empty. */
export function advertisedListenerOf(config: BrokerConfig): Endpoint | undefined {
  const endpoint = onlyEndpoint('advertised.listeners', config.advertisedListeners, config.controllerListenerNames)
  if (endpoint !== undefined && WILDCARD_HOSTS.has(endpoint.host)) {
    throw new ConfigError(
      `advertised.listeners cannot be '${endpoint.host}': clients could not connect to it; name a host they can reach`,
    )
  }
  return endpoint
}

/**
 * The address told to clients.
 *
 * Deviation: listening on every interface without an advertised address, Kafka tells the machine's own name, which
 * often resolves nowhere; here it is `localhost`.
 */
export function advertisedEndpoint(advertised: Endpoint | undefined, bound: Endpoint): Endpoint {
  if (advertised !== undefined)
    return { host: advertised.host, port: advertised.port === 0 ? bound.port : advertised.port }
  return { host: WILDCARD_HOSTS.has(bound.host) ? 'localhost' : bound.host, port: bound.port }
}

/** Reads 'host:port' or '[v6 address]:port'. */
export function parseHostAndPort(text: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text.trim())
  const port = Number(match?.[3])
  if (match === null || port > PORT_MAX) throw new ConfigError(`'${text}' is not HOST:PORT`)
  return { host: match[1] ?? match[2] ?? '', port }
}

function onlyEndpoint(key: string, listeners: readonly string[], left: readonly string[]): Endpoint | undefined {
  const endpoints: Endpoint[] = []
  for (const listener of listeners) {
    const match = /^([^:]+):\/\/(.*)$/.exec(listener)
    if (match === null) throw new ConfigError(`${key}: '${listener}' is not PLAINTEXT://host:port`)
    const [, name, address] = match as unknown as readonly [string, string, string]
    if (left.some((controller) => controller.toUpperCase() === name.toUpperCase())) continue
    if (/SSL|SASL/i.test(name)) {
      throw new ConfigError(
        `${key}: '${listener}' asks for TLS or SASL, which this broker does not have; use PLAINTEXT`,
      )
    }
    endpoints.push(parseHostAndPort(address))
  }
  if (endpoints.length > 1) {
    throw new ConfigError(`${key} names ${endpoints.length} addresses (${listeners.join(', ')}); give one`)
  }
  return endpoints[0]
}
