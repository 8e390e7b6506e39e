/** IncrementalAlterConfigs: set, delete, append and subtract single options. Source: KIP-339. */
import type { ConfigOperationType } from '../../core/metadata/config-changes.ts'
import { incrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { alterConfigResources } from '../config-resources.ts'
import { defineHandler } from '../handler.ts'

/** By their number on the wire. */
const OPERATION_TYPES: readonly ConfigOperationType[] = ['SET', 'DELETE', 'APPEND', 'SUBTRACT']

export const incrementalAlterConfigsHandler = defineHandler(incrementalAlterConfigs, {
  minVersion: 0,
  maxVersion: 1,
  deviations: ['log levels (resource type broker logger) cannot be changed'],
  async handle(broker, request) {
    const changes = request.resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      operations: configs.map(({ name, configOperation, value }) => ({
        name,
        type: OPERATION_TYPES[configOperation],
        value,
      })),
      isReplacement: false,
    }))
    return { responses: await alterConfigResources(broker, changes, request.validateOnly) }
  },
})
