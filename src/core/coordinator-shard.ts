/**
 * What the shell asks of every coordinator besides its requests (DESIGN 5.1).
 *
 * A coordinator is pure: what it decides it answers as records, and `replay` alone makes them so. The shell appends them
 * and replays them in the same tick; after a restart it replays the log. Source: CoordinatorShard of Kafka 4.3.
 */

/** `Position`: what a record's meaning depends on besides the record itself, its offset say. */
export interface CoordinatorShard<Rec, Position extends readonly unknown[] = []> {
  /** Applies one record, just appended or read from the log. */
  replay(record: Rec, ...position: Position): void
  /** When to call `onDeadline` next, milliseconds since the epoch; `undefined`: not before something has happened. */
  nextDeadlineMs(): number | undefined
  /** What time has brought: records to append as those of a request. */
  onDeadline(nowMs: number): { readonly records: readonly Rec[] }
}
