/** OffsetFetch: committed offsets of one group or many; stable ones only, where asked. Rules: core/group; KIP-447. */
import { offsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { GroupRuntime } from '../group-runtime.ts'
import { defineHandler } from '../handler.ts'

export const offsetFetchHandler = defineHandler(offsetFetch, {
  minVersion: 1,
  maxVersion: 10,
  handle: (broker, request, context) =>
    broker.groups.ask((coordinator) => coordinator.offsetFetch(request, GroupRuntime.contextOf(context))),
})
