/**
 * What a client of a broker that crashes knows: which requests it sent, which answers came, what it was shown.
 *
 * Facts are appended and never changed, so the knowledge at any earlier moment is the first so many of them. What they add up to is
 * `ledger.ts`.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'

export interface Place {
  readonly topic: string
  readonly partition: number
}

export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

export type Request =
  | { readonly api: 'create-topic'; readonly topic: string; readonly partitions: number }
  | { readonly api: 'delete-topic'; readonly topic: string }
  | { readonly api: 'add-partitions'; readonly topic: string; readonly partitions: number }
  | { readonly api: 'delete-records'; readonly place: Place; readonly offset: number }
  | {
      readonly api: 'append'
      readonly place: Place
      /** Each value is sent once in a run, and names its topic, which of the topics of that name, and its partition. */
      readonly values: readonly string[]
      readonly producer?: ProducerIdentity & { readonly baseSequence: number }
      readonly transaction?: number
    }
  | { readonly api: 'init'; readonly transactionalId: string | undefined }
  | { readonly api: 'end'; readonly transaction: number; readonly commits: boolean }
  | {
      readonly api: 'offsets'
      readonly group: string
      readonly offsets: readonly { readonly place: Place; readonly offset: number }[]
      readonly transaction?: number
    }
  | { readonly api: 'join'; readonly group: string }
  | { readonly api: 'delete-group'; readonly group: string }
  /** `setting`: 'topic NAME OPTION', 'broker OPTION' or 'feature NAME'. */
  | { readonly api: 'set'; readonly setting: string; readonly value: string }

export interface Answer {
  readonly error: ErrorCode
  /** Of an append. */
  readonly baseOffset?: number
  /** Of an init, and of an end that raises the epoch. */
  readonly producer?: ProducerIdentity
  /** Of a join. */
  readonly member?: { readonly memberId: string; readonly generationId: number }
}

export interface TransactionStart {
  readonly transaction: number
  readonly transactionalId: string
  readonly producer: ProducerIdentity
  readonly version: 1 | 2
  /** Short enough that the broker may end it by itself. */
  readonly mayTimeOut: boolean
}

export type Fact =
  | { readonly kind: 'asked'; readonly id: number; readonly request: Request }
  /** An id without it: nobody knows what became of the request. */
  | { readonly kind: 'answered'; readonly id: number; readonly answer: Answer }
  | ({ readonly kind: 'began' } & TransactionStart)
  /** Records that were read; with `read_committed` those below the last stable offset. */
  | {
      readonly kind: 'shown'
      readonly place: Place
      readonly isCommitted: boolean
      readonly records: readonly (readonly [offset: number, value: string])[]
      readonly logStartOffset: number
      readonly highWatermark: number
    }
  /** Told after a restart, which settles what had no answer. */
  | { readonly kind: 'topic'; readonly topic: string; readonly partitions: number | 'gone' }
  | { readonly kind: 'outcome'; readonly transaction: number; readonly outcome: 'committed' | 'aborted' }
  | { readonly kind: 'offset'; readonly group: string; readonly place: Place; readonly offset: number }
  | { readonly kind: 'setting'; readonly setting: string; readonly value: string }
  /** Each start has one of its own, above those before it. */
  | { readonly kind: 'leader-epoch'; readonly leaderEpoch: number }
  /** So much time was let go by that every transaction may have timed out. */
  | { readonly kind: 'waited' }

/** `topic@2/0#17` and padding: the 17th value of this run, for partition 0 of the second topic of that name. */
export function valueOf(place: Place, incarnation: number, number: number, bytes: number): string {
  return `${place.topic}@${incarnation}/${place.partition}#${number}`.padEnd(bytes, '~')
}

export function nameOf({ topic, partition }: Place): string {
  return `${topic}-${partition}`
}
