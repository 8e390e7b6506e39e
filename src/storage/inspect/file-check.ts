/** What a check found out about one file, or about one log as a whole. */
import type { CorruptionError } from '../errors.ts'

export type CheckedKind =
  | 'segment'
  | 'offset-index'
  | 'time-index'
  | 'transaction-index'
  | 'producer-snapshot'
  | 'leader-epochs'
  | 'partition-metadata'
  | 'partition'
  | 'journal'
  | 'checkpoint'
  | 'data-directory'

export interface Damage {
  /** Byte in the file at which it begins. */
  readonly position: number
  readonly problem: string
  /** What follows from it, and what to do. */
  readonly meaning: string
}

/** More than this of one file tell nothing new. */
const DAMAGE_MAX = 20

export class FileCheck {
  readonly path: string
  readonly kind: CheckedKind
  /** Numbers and names that say what is in it. */
  readonly details: Record<string, number | string> = {}
  readonly notes: string[] = []
  readonly damage: Damage[] = []

  constructor(path: string, kind: CheckedKind) {
    this.path = path
    this.kind = kind
  }

  get isDamaged(): boolean {
    return this.damage.length > 0
  }

  note(text: string): void {
    this.notes.push(text)
  }

  damaged(position: number, problem: string, meaning: string): void {
    if (this.damage.length < DAMAGE_MAX) this.damage.push({ position, problem, meaning })
  }

  damagedBy({ what, position, advice }: CorruptionError): void {
    this.damaged(position, what, advice)
  }
}
