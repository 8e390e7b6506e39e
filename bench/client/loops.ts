/** The loops all sides share, so that they differ in nothing but the client. */
import {
  BATCH_OUTSTANDING,
  type Outcome,
  RECORDS_PER_BATCH,
  type Run,
  SINGLE_OUTSTANDING,
  TRANSACTION_MS,
} from './contract.ts'

/** Values are made before the clock starts; they differ, so that nothing can be kept instead of sent. */
const VALUE_COUNT = 1024

export function valuesOf(valueBytes: number): () => Buffer {
  const values = Array.from({ length: VALUE_COUNT }, (_, index) => {
    const value = Buffer.alloc(valueBytes)
    for (let at = 0; at < valueBytes; at += 1) value[at] = 32 + ((at * 7 + index * 13) % 90)
    return value
  })
  let next = 0
  return () => {
    next = (next + 1) % VALUE_COUNT
    return values[next] as Buffer
  }
}

/** Sends until `ms` have passed, with at most `outstandingMax` unanswered, and waits for the last answer. @returns how many were answered */
function keepSending(ms: number, outstandingMax: number, send: () => PromiseLike<unknown>): Promise<number> {
  return new Promise((resolve, reject) => {
    const endMs = performance.now() + ms
    let outstanding = 0
    let answered = 0
    let isOver = false
    const onAnswer = (): void => {
      outstanding -= 1
      answered += 1
      // Looking at the clock is part of the cost, so not at each of them.
      if (!isOver && (answered & 31) === 0) isOver = performance.now() >= endMs
      if (!isOver) one()
      else if (outstanding === 0) resolve(answered)
    }
    const one = (): void => {
      outstanding += 1
      send().then(onAnswer, reject)
    }
    for (let count = 0; count < outstandingMax; count += 1) one()
  })
}

export interface ProduceCalls {
  single(value: Buffer): PromiseLike<unknown>
  batch(values: Buffer[]): PromiseLike<unknown>
}

export async function produceFor(run: Run, calls: ProduceCalls): Promise<Outcome> {
  const next = valuesOf(run.valueBytes)
  const startedMs = performance.now()
  const answered =
    run.kind === 'single'
      ? await keepSending(run.seconds * 1000, SINGLE_OUTSTANDING, () => calls.single(next()))
      : await keepSending(run.seconds * 1000, BATCH_OUTSTANDING, () => calls.batch(nextBatch(next)))
  const seconds = (performance.now() - startedMs) / 1000
  return { records: run.kind === 'single' ? answered : answered * RECORDS_PER_BATCH, seconds }
}

export interface TransactionCalls {
  begin(): PromiseLike<void>
  batch(values: Buffer[]): PromiseLike<unknown>
  commit(): PromiseLike<void>
}

/** One transaction of TRANSACTION_MS after the other; what counts is committed. */
export async function transactFor(run: Run, calls: TransactionCalls): Promise<Outcome> {
  const next = valuesOf(run.valueBytes)
  const startedMs = performance.now()
  const endMs = startedMs + run.seconds * 1000
  let records = 0
  while (performance.now() < endMs) {
    await calls.begin()
    const answered = await keepSending(TRANSACTION_MS, BATCH_OUTSTANDING, () => calls.batch(nextBatch(next)))
    await calls.commit()
    records += answered * RECORDS_PER_BATCH
  }
  return { records, seconds: (performance.now() - startedMs) / 1000 }
}

function nextBatch(next: () => Buffer): Buffer[] {
  const values: Buffer[] = []
  for (let count = 0; count < RECORDS_PER_BATCH; count += 1) values.push(next())
  return values
}

/** Counts what is read; the clock runs from the first record to the last, so that joining the group does not count. */
export class Reading {
  readonly done: Promise<Outcome>
  readonly #run: Run
  readonly #resolve: (outcome: Outcome) => void
  readonly fail: (error: unknown) => void
  #records = 0
  #bytes = 0
  #startedMs = 0

  constructor(run: Run) {
    this.#run = run
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
    this.done = promise
    this.#resolve = resolve
    this.fail = reject
  }

  get isDone(): boolean {
    return this.#records >= this.#run.recordCount
  }

  add(value: Uint8Array | null): void {
    if (this.#records === 0) this.#startedMs = performance.now()
    this.#records += 1
    this.#bytes += value?.length ?? 0
    if (this.#records === this.#run.recordCount) this.#finish()
    if (this.#records > this.#run.recordCount) this.fail(new Error('a record was read twice'))
  }

  #finish(): void {
    if (this.#bytes !== this.#run.recordCount * this.#run.valueBytes) {
      this.fail(
        new Error(`${this.#bytes} bytes were read, ${this.#run.recordCount * this.#run.valueBytes} were written`),
      )
    }
    this.#resolve({ records: this.#records, seconds: (performance.now() - this.#startedMs) / 1000 })
  }
}

/** The clock of a pipeline: from the first record that is read to the last commit. */
export class PipelineProgress {
  readonly done: Promise<Outcome>
  readonly #run: Run
  readonly #resolve: (outcome: Outcome) => void
  readonly fail: (error: unknown) => void
  #startedMs = 0
  #read = 0
  #committed = 0
  #transactionStartedMs = 0

  constructor(run: Run) {
    this.#run = run
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
    this.done = promise
    this.#resolve = resolve
    this.fail = reject
  }

  begin(): void {
    this.#transactionStartedMs = performance.now()
    if (this.#startedMs === 0) this.#startedMs = this.#transactionStartedMs
  }

  read(count: number): void {
    this.#read += count
  }

  /** Whether the transaction is as old as it should get, or holds the last record. */
  get isDue(): boolean {
    return this.#read >= this.#run.recordCount || performance.now() - this.#transactionStartedMs >= TRANSACTION_MS
  }

  committed(): void {
    this.#committed = this.#read
    if (this.#committed >= this.#run.recordCount) {
      this.#resolve({ records: this.#committed, seconds: (performance.now() - this.#startedMs) / 1000 })
    }
  }
}
