import { api, array, errorCode, int32, int8, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Which broker coordinates a group or a transactional id: one key up to version 3, many from version 4 on. */
export const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: '0-6',
  flexible: '3+',
  kips: [98, 699, 890, 932],
  request: {
    key: string({ versions: '0-3', default: '' }),
    keyType: int8({ versions: '1+', default: 0, about: '0: group; 1: transactional id; 2: share state' }),
    coordinatorKeys: array(string(), { versions: '4+', default: [] }),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    errorCode: errorCode({ versions: '0-3', default: 'NONE' }),
    errorMessage: string({ versions: '1-3', nullable: '1-3', default: '' }),
    nodeId: int32({ versions: '0-3', default: 0 }),
    host: string({ versions: '0-3', default: '' }),
    port: int32({ versions: '0-3', default: 0 }),
    coordinators: array(
      struct({
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: errorCode(),
        errorMessage: string({ nullable: '4+' }),
      }),
      { versions: '4+', default: [] },
    ),
  },
  errors: {
    COORDINATOR_NOT_AVAILABLE: 'the coordinator is not there yet; ask again',
    INVALID_REQUEST: 'the key type is unknown, not allowed in this version, or the key is malformed',
    INVALID_GROUP_ID: 'the group id is empty',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to see the group',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not allowed to see the transactional id',
  },
})

export type FindCoordinatorRequest = RequestOf<typeof findCoordinator>
export type FindCoordinatorRequestDraft = RequestDraftOf<typeof findCoordinator>
export type FindCoordinatorResponse = ResponseOf<typeof findCoordinator>
export type FindCoordinatorResponseDraft = ResponseDraftOf<typeof findCoordinator>
