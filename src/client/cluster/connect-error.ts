/** Why a connection did not come about, and what to do, in words. */
import { KafkaError } from '../errors.ts'
import type { BrokerAddress } from './client-connection.ts'

/** What to look at when a port takes connections and then behaves like no Kafka listener. */
export const NOT_KAFKA =
  'is a Kafka listener without TLS and SASL there? The client speaks PLAINTEXT; ' +
  'check the port in `brokers` and security.protocol of the listener'

export function describeConnectError(cause: unknown, address: BrokerAddress): KafkaError {
  const code = codeOf(cause)
  const { host, port, nodeId } = address
  const isAdvertised = nodeId !== undefined
  const message = `${host}:${port}${isAdvertised ? ` (node ${nodeId})` : ''}: ${explain(code, cause, host, isAdvertised)}`
  return new KafkaError('CONNECTION_FAILED', message, { cause })
}

function explain(code: string | undefined, cause: unknown, host: string, isAdvertised: boolean): string {
  const advertised =
    'this is the address under which the broker tells clients to reach it; ' +
    'change advertised.listeners of the broker (`semel start --advertise HOST:PORT`), or make the address reachable from here'
  switch (code) {
    case 'ECONNREFUSED':
      return isAdvertised
        ? `nothing listens there: the broker is down, or its advertised address is wrong (${advertised})`
        : 'nothing listens there: is the broker running, and is this its port? (`npx semel start` starts one on 9092)'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return isAdvertised
        ? `the name ${host} cannot be resolved: ${advertised}`
        : `the name ${host} cannot be resolved: check \`brokers\` and the name service`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return isAdvertised
        ? `no connection (${code}): ${advertised}`
        : `no connection (${code}): is the host up, and does a firewall let the port through?`
    case 'ECONNRESET':
    case 'EPIPE':
      return `the connection was reset before it answered anything: ${NOT_KAFKA}`
    case undefined:
    default:
      return cause instanceof Error ? cause.message : String(cause)
  }
}

function codeOf(cause: unknown): string | undefined {
  if (typeof cause !== 'object' || cause === null) return undefined
  const { code, errors } = cause as { code?: unknown; errors?: unknown }
  if (typeof code === 'string') return code
  // Several addresses of one name were tried: they fail alike, or the first says enough.
  return Array.isArray(errors) ? codeOf(errors[0]) : undefined
}
