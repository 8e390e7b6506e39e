/**
 * Changes to the configuration of one resource, pure: from what is set now and the operations of a request to what will
 * be set, or the reason why not. The same for topics and for the broker.
 *
 * Source: ConfigAdminManager, ConfigurationControlManager (4.3.1); KIP-339.
 */
import type { Option } from '../../base/options.ts'
import type { ConfigTexts } from './topic-config.ts'
import type { Refusal } from './refusal.ts'

/** SET 0, DELETE 1, APPEND 2, SUBTRACT 3 on the wire. */
export type ConfigOperationType = 'SET' | 'DELETE' | 'APPEND' | 'SUBTRACT'

export interface ConfigOperation {
  readonly name: string
  /** `undefined`: a number that no type has. */
  readonly type: ConfigOperationType | undefined
  readonly value: string | null
}

/** Longest text of one value, characters; the same as what a Kafka string of version 0 can hold. */
const VALUE_MAX_LENGTH = 32_767

/**
 * @param defaultText  what APPEND and SUBTRACT start from when nothing is set
 */
export function changeConfigs(
  current: ConfigTexts,
  operations: readonly ConfigOperation[],
  optionOf: (name: string) => Option | undefined,
  defaultText: (name: string) => string | undefined,
): { readonly texts: ConfigTexts } | Refusal {
  const names = operations.map(({ name }) => name)
  if (new Set(names).size !== names.length) {
    return { error: 'INVALID_REQUEST', message: 'Error due to duplicate config keys' }
  }
  const withoutValue = operations.filter(({ type, value }) => type !== 'DELETE' && value === null)
  if (withoutValue.length > 0) {
    const listed = withoutValue.map(({ name }) => name).join(', ')
    return { error: 'INVALID_REQUEST', message: `Null value not supported for : ${listed}` }
  }
  const texts = new Map(current)
  for (const { name, type, value } of operations) {
    if (type === undefined) return { error: 'INVALID_REQUEST', message: `Unknown operation type for config ${name}` }
    if (type === 'DELETE') {
      texts.delete(name)
      continue
    }
    const operand = value ?? ''
    if (type === 'SET') {
      texts.set(name, operand)
    } else {
      if (optionOf(name)?.type !== 'list') {
        return { error: 'INVALID_CONFIG', message: `Can't ${type} to key ${name} because its type is not LIST.` }
      }
      const elements = elementsOf(texts.get(name) ?? defaultText(name) ?? '')
      const operands = elementsOf(operand)
      const changed =
        type === 'APPEND'
          ? [...elements, ...operands.filter((element) => !elements.includes(element))]
          : elements.filter((element) => !operands.includes(element))
      texts.set(name, changed.join(','))
    }
    if ((texts.get(name) ?? '').length > VALUE_MAX_LENGTH) {
      return { error: 'INVALID_CONFIG', message: `The value of ${name} is longer than ${VALUE_MAX_LENGTH} characters` }
    }
  }
  return { texts }
}

function elementsOf(text: string): string[] {
  return text
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '')
}
