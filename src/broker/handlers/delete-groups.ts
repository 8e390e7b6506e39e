/** DeleteGroups: groups without members go, with all their offsets. Rules: core/group; KIP-229. */
import { deleteGroups } from '../../protocol/messages/delete-groups.ts'
import { defineHandler } from '../handler.ts'

export const deleteGroupsHandler = defineHandler(deleteGroups, {
  minVersion: 0,
  maxVersion: 2,
  handle: (broker, request) => broker.groups.run((coordinator) => coordinator.deleteGroups(request)),
})
