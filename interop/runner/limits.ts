/**
 * What a client cannot do, or does wrong whatever the broker: such a capability is shown as "limit" with this reason and
 * never left out. A client that reports its own limit (its API lacks the call) gives the reason itself.
 */
import type { ClientName } from './clients.ts'

interface Limit {
  client: ClientName
  capability: string
  reason: string
}

const limits: readonly Limit[] = [
  {
    client: 'kafkajs',
    capability: 'load/own read_committed',
    reason:
      'its read_committed filter takes aborted transactions in the order of the response and stops at the first marker of a producer, so records of aborted transactions can get through',
  },
  {
    client: 'platformatic',
    capability: 'load/own read_committed',
    reason:
      'its read_committed filter keeps one aborted range per producer and response, and delivers an aborted transaction whose marker lies in a later response',
  },
]

export function limitOf(client: ClientName, capability: string): string | undefined {
  return limits.find((limit) => limit.client === client && limit.capability === capability)?.reason
}
