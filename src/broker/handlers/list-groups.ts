/** ListGroups: all groups, by state and type where the client asks for it. Rules: core/group; KIP-518, KIP-848. */
import { listGroups } from '../../protocol/messages/list-groups.ts'
import { defineHandler } from '../handler.ts'

export const listGroupsHandler = defineHandler(listGroups, {
  minVersion: 0,
  maxVersion: 5,
  handle: (broker, request) => broker.groups.ask((coordinator) => coordinator.listGroups(request)),
})
