/**
 * What a role works with: a client, the history, and the writers and readers that record what they do.
 *
 * One for each process. Counts what is counted within a process, and keeps at most the limits that the plan asked for.
 */
import type { Kafka, KafkaOptions } from '../../client/index.ts'
import type { HistorySink } from '../history/tables.ts'
import { RecordedReader, type ReaderOptions } from './recorded-reader.ts'
import { RecordedWriter, type WriterOptions } from './recorded-writer.ts'
import type { ProducerTuning, Timeouts, Worker } from './workload.ts'

export interface ParticipantPlan {
  readonly run: string
  readonly timeouts: Timeouts
  readonly producer?: ProducerTuning
}

export class Participant {
  readonly worker: Worker
  readonly run: string
  readonly timeouts: Timeouts
  readonly producer: ProducerTuning
  readonly kafka: Kafka
  readonly history: HistorySink
  #commits = 0

  constructor(worker: Worker, plan: ParticipantPlan, kafka: Partial<KafkaOptions> = {}) {
    this.worker = worker
    this.run = plan.run
    this.timeouts = plan.timeouts
    this.producer = plan.producer ?? {}
    this.history = worker.history
    this.kafka = worker.kafka({ requestTimeoutMs: plan.timeouts.requestMs, ...kafka })
  }

  nowMs(): number {
    return this.worker.nowMs()
  }

  nextCommit(): number {
    this.#commits += 1
    return this.#commits - 1
  }

  /** A producer that has its id. Rejects as `producer.init` does, and is closed then. */
  openWriter(options: WriterOptions = {}): Promise<RecordedWriter> {
    return RecordedWriter.open(this, options)
  }

  openReader(options: ReaderOptions): RecordedReader {
    return new RecordedReader(this, options)
  }

  /** Nothing more is sent or committed; what is open is left to the cluster. */
  async close(): Promise<void> {
    await this.kafka.close()
  }
}

/** Plays a role with a participant of its own, which is closed with it. */
export async function participating(
  worker: Worker,
  plan: ParticipantPlan,
  play: (me: Participant) => Promise<void>,
): Promise<void> {
  const me = new Participant(worker, plan)
  try {
    await play(me)
  } finally {
    await me.close()
  }
}
