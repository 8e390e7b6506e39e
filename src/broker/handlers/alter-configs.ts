/** AlterConfigs: replaces all settings of a resource. Older clients only. Source: KIP-133. */
import { alterConfigs } from '../../protocol/messages/alter-configs.ts'
import { alterConfigResources } from '../config-resources.ts'
import { defineHandler } from '../handler.ts'

export const alterConfigsHandler = defineHandler(alterConfigs, {
  minVersion: 0,
  maxVersion: 2,
  async handle(broker, request) {
    const changes = request.resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      operations: configs.map(({ name, value }) => ({ name, type: 'SET' as const, value })),
      isReplacement: true,
    }))
    return { responses: await alterConfigResources(broker, changes, request.validateOnly) }
  },
})
