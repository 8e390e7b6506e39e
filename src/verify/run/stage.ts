/** What gives roles their processes: in a simulation, in this process, or in real ones. */
import type { Role } from '../workloads/workload.ts'

export interface Stage {
  /** Plays a role in a new process. `process`: a number that no other process of the run has had. */
  start(role: Role, index: number, incarnation: number): Player
  /** Faults begin: from here on the stage may do what it likes to players and brokers. */
  beginFaults(): void
  /** Faults end. Resolves when whatever was paused or cut off goes on and every broker is up. */
  heal(): Promise<void>
}

export interface Player {
  readonly process: number
  /** Resolves when the process is over, never rejects: 'done', 'killed', or the message of what it died of. */
  readonly ended: Promise<string>
  /** Tells the role to come to its end. */
  stop(): void
  /** Ends the process without a word, as SIGKILL does. */
  kill(): void
}
