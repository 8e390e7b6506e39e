/** OffsetDelete: a group forgets partitions of topics it no longer reads. Rules: core/group; KIP-496. */
import { offsetDelete } from '../../protocol/messages/offset-delete.ts'
import { defineHandler } from '../handler.ts'

export const offsetDeleteHandler = defineHandler(offsetDelete, {
  minVersion: 0,
  maxVersion: 0,
  handle: (broker, request) => broker.groups.run((coordinator) => coordinator.offsetDelete(request)),
})
