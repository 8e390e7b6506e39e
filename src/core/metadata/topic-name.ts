/** Which names a topic may have, and which belong to the broker itself. Source: org.apache.kafka.common.internals.Topic. */

const OFFSETS_TOPIC = '__consumer_offsets'
export const TRANSACTION_STATE_TOPIC = '__transaction_state'
/** Holds the catalogue; not itself in it, and never shown to clients. */
export const METADATA_TOPIC = '__cluster_metadata'

const NAME_MAX_LENGTH = 249

/** Topics that clients see marked as internal and may not write to. */
export function isInternalTopic(name: string): boolean {
  return name === OFFSETS_TOPIC || name === TRANSACTION_STATE_TOPIC
}

/** Why a name is not one of a topic, as a sentence; `undefined` when it is fine. */
export function topicNameProblem(name: string): string | undefined {
  const reason = invalidReason(name)
  return reason === undefined ? undefined : `Topic name is invalid: ${reason}`
}

/** Names that differ only in '.' against '_' collide in metric names, so there may be only one of them. */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_')
}

function invalidReason(name: string): string | undefined {
  if (name === '') return 'the empty string is not allowed'
  if (name === '.' || name === '..') return `'${name}' is not allowed`
  if (name.length > NAME_MAX_LENGTH) return `its length ${name.length} is above ${NAME_MAX_LENGTH}`
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  }
  return undefined
}
