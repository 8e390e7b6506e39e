/** Defects that a crash or a bad disk shows: flushes, order, recovery (src/storage). */
import type { Defect } from '../defect.ts'

const JOURNAL = 'src/storage/journal.ts'
const WRITER = 'src/storage/journal-file-writer.ts'
const READER = 'src/storage/journal-reader.ts'
const RECOVERY = 'src/storage/journal-recovery.ts'
const STORE = 'src/storage/log-store.ts'
const SLOTS = 'src/storage/checkpoint-slots.ts'
const CHECKPOINTER = 'src/storage/checkpointer.ts'
const DRAIN = 'src/storage/drain.ts'

export const STORAGE_DEFECTS: readonly Defect[] = [
  {
    name: 'journal-not-flushed',
    file: JOURNAL,
    find: `    if (this.#durability === 'fsync') await current.sync()
`,
    replace: '',
    why: 'A power cut loses what was acknowledged.',
    from: 'own rule: flush, then answer',
    shows: 'A power cut.',
  },
  {
    name: 'durable-one-frame-early',
    file: 'src/storage/durability-waiters.ts',
    find: `if (lsn <= this.#durableLsn) return DONE`,
    replace: `if (lsn <= this.#durableLsn + 1) return DONE`,
    why: 'The first request of each flush is answered before it: a power cut loses it.',
    from: 'own rule: flush, then answer',
    shows: 'A power cut between an answer and its flush.',
  },
  {
    name: 'watermarks-one-frame-early',
    file: 'src/broker/partition-table.ts',
    find: `(this.#pending[count] as PendingDurability).lsn <= lsn) count += 1`,
    replace: `(this.#pending[count] as PendingDurability).lsn <= lsn + 1) count += 1`,
    why: 'Consumers read a frame that is not on disk yet; a power cut takes it back.',
    from: 'invariant of partition-table.ts',
    shows: 'A fetch while a flush is under way, then a power cut.',
  },
  {
    name: 'failed-flush-tried-again',
    file: JOURNAL,
    find: `    if (this.#durability === 'fsync') await current.sync()
`,
    replace: `    if (this.#durability === 'fsync') await current.sync().catch(() => current.sync())
`,
    why: 'The system may have dropped what it could not write, and reports success the second time: acknowledged and gone.',
    from: 'fsyncgate; KAFKA-10778',
    shows: 'A flush fails once, then a power cut.',
  },
  {
    name: 'failed-write-ignored',
    file: WRITER,
    find: `    await this.#file.write(chunks, this.#position)
`,
    replace: `    await this.#file.write(chunks, this.#position).catch(() => undefined)
`,
    why: 'What a full disk did not take is acknowledged, and gone after a restart.',
    from: 'KAFKA-10778; own rule: nothing is tried again after a failed flush',
    shows: 'The disk is full, or fails, for one write.',
  },
  {
    name: 'journal-crc-unchecked',
    file: READER,
    find: `    if (!frameCrcMatches(this.#window, at, header)) return undefined
`,
    replace: '',
    why: 'A frame that was torn by a power cut is taken for whole: made-up records, or no start at all.',
    from: 'own rule: refuse damage, cut a torn tail only; KAFKA-13603',
    shows: 'A power cut that garbles the sectors being written.',
  },
  {
    name: 'journal-chain-unchecked',
    file: RECOVERY,
    find: `    return (lsn === 1 && this.#expectedLsn === 1) || this.#scanned(lsn - 1)?.crc === previousCrc`,
    replace: `    return (lsn === 1 && this.#expectedLsn === 1) || this.#scanned(lsn - 1)?.crc !== undefined`,
    why: 'A frame of another past, left over from before a crash, is taken for the one that follows.',
    from: 'TigerBeetle (hash chain); own rule: flush, then answer',
    shows: 'Two crashes after each other that leave frames of one LSN in two files.',
    survives:
      'Recovery begins a new file each time and repeats what is not known to be flushed, so no crash leaves two pasts side by side; the chain is for disks that bring back an old sector.',
  },
  {
    name: 'damage-taken-for-a-torn-tail',
    file: RECOVERY,
    find: `header.flushedLsn >= expectedLsn`,
    replace: `header.flushedLsn >= expectedLsn && header.flushedLsn < 0`,
    why: 'Acknowledged records behind a damaged sector are cut away without a word.',
    from: 'own rule: refuse damage, cut a torn tail only',
    shows: 'The disk returns other bytes than were flushed.',
    survives: 'Bytes have to rot in the journal between the last checkpoint and its end; 300 of them hit other places.',
  },
  {
    name: 'torn-tail-taken-for-damage',
    file: RECOVERY,
    find: `header.flushedLsn >= expectedLsn`,
    replace: `header.flushedLsn >= expectedLsn - 1`,
    why: 'After an ordinary power cut the broker refuses to start.',
    from: 'own rule: refuse damage, cut a torn tail only',
    shows: 'A power cut that keeps a later frame and loses an earlier one.',
  },
  {
    name: 'recovery-drops-the-last-frame',
    file: RECOVERY,
    find: `      if (frame === undefined || frame.header.lsn !== expectedLsn || !this.#fits(frame)) return position
`,
    replace: `      if (frame === undefined || frame.header.lsn !== expectedLsn || !this.#fits(frame)) return position
      if (frame.body.length > 0 && (await reader.frameAt(frame.end)) === undefined) return position
`,
    why: 'The last frame before a crash is cut although it was flushed and acknowledged.',
    from: 'KAFKA-10101',
    shows: 'A kill or power cut just after an answer.',
  },
  {
    name: 'unconfirmed-frames-not-repeated',
    file: JOURNAL,
    find: `const repeats = recovered.lastLsn < afterLsn ? [] : recovered.unconfirmed`,
    replace: `const repeats = recovered.lastLsn < afterLsn ? recovered.unconfirmed : recovered.unconfirmed.slice(0, 0)`,
    why: 'What a start found in the system’s cache alone, and showed to readers, is lost by the next power cut.',
    from: 'SPEC.md of storage, Recovery',
    shows: 'A kill before a flush, a start, then a power cut.',
  },
  {
    name: 'journal-file-renamed-unflushed',
    file: WRITER,
    find: `    await file.sync()
    await fileSystem.rename(unfinishedPath, path)`,
    replace: `    await fileSystem.rename(unfinishedPath, path)`,
    why: 'A power cut leaves a journal file without a header: the broker does not start.',
    from: 'KAFKA-15046; own rule: flush the file, then its name',
    shows: 'A power cut after a new journal file was begun.',
  },
  {
    name: 'journal-directory-not-flushed',
    file: WRITER,
    find: `    await fileSystem.rename(unfinishedPath, path)
    await fileSystem.syncDirectory(directory)`,
    replace: `    await fileSystem.rename(unfinishedPath, path)`,
    why: 'A power cut loses a whole journal file, with all that was acknowledged in it.',
    from: 'KAFKA-3968; own rule: flush the file, then its name',
    shows: 'A power cut after a new journal file was begun, that loses names not flushed.',
  },
  {
    name: 'checkpoint-not-flushed',
    file: SLOTS,
    find: `      await file.write([encodeCheckpoint(checkpoint)], 0)
      await file.sync()`,
    replace: `      await file.write([encodeCheckpoint(checkpoint)], 0)`,
    why: 'The journal is cut for a checkpoint that a power cut loses: the broker does not start, or starts without records.',
    from: 'KAFKA-15046; own rule: refuse damage, cut a torn tail only',
    shows: 'A power cut after a checkpoint.',
  },
  {
    name: 'checkpoint-over-the-newest',
    file: SLOTS,
    find: `slot: this.#newest === undefined ? 0 : 1 - this.#newest.slot,`,
    replace: `slot: this.#newest === undefined ? 0 : this.#newest.slot,`,
    why: 'A power cut while a checkpoint is written destroys the only one that counts.',
    from: 'own rule: refuse damage, cut a torn tail only',
    shows: 'A power cut in the middle of a checkpoint.',
  },
  {
    name: 'checkpoint-before-the-segments',
    file: CHECKPOINTER,
    find: `    await flushing.run(() => drain.sync())
`,
    replace: `    await flushing.run(() => Promise.resolve())
`,
    why: 'The checkpoint names bytes that a power cut loses; their journal is gone.',
    from: 'KAFKA-10101; invariant S2',
    shows: 'A power cut after a checkpoint.',
  },
  {
    name: 'journal-cut-before-the-checkpoint',
    file: CHECKPOINTER,
    find: `    await slots.write(checkpoint)
    for (const segment of superfluous) await this.#removeSegment(segment)
    await journal.cut(checkpoint.lsn)`,
    replace: `    await journal.cut(checkpoint.lsn)
    await slots.write(checkpoint)
    for (const segment of superfluous) await this.#removeSegment(segment)`,
    why: 'A power cut in between leaves an old checkpoint without the journal that continues it.',
    from: 'invariant S2; own rule: flush the file, then its name',
    shows: 'A power cut in the middle of a checkpoint that lets go of a journal file.',
  },
  {
    name: 'checkpoint-at-a-later-lsn',
    file: CHECKPOINTER,
    find: `    return { checkpoint: { lsn, isClean`,
    replace: `    return { checkpoint: { lsn: source.appendedLsn(), isClean`,
    why: 'Frames that arrived while the checkpoint was being prepared are in neither it nor the journal that is replayed.',
    from: 'Redpanda 4ee6b02 (snapshot races mutation)',
    shows: 'Appends during a checkpoint, then a crash.',
  },
  {
    name: 'new-names-not-flushed',
    file: DRAIN,
    find: `    for (const directory of directories) {
      if (directory !== this.#dataDirectory) await this.#fileSystem.syncDirectory(directory)
    }`,
    replace: '',
    why: 'A power cut loses the names of new segments that the checkpoint relies on: the broker does not start.',
    from: 'KAFKA-3968; own rule: flush the file, then its name',
    shows: 'A checkpoint after a new segment, then a power cut that loses names.',
  },
  {
    name: 'new-directories-not-flushed',
    file: DRAIN,
    find: `    if (directories.has(this.#dataDirectory)) await this.#fileSystem.syncDirectory(this.#dataDirectory)
`,
    replace: '',
    why: 'A power cut loses whole partitions that the checkpoint relies on: the broker does not start.',
    from: 'KAFKA-3968; own rule: flush the file, then its name',
    shows: 'A checkpoint after a new topic, then a power cut that loses names.',
  },
  {
    name: 'segment-not-flushed',
    file: DRAIN,
    find: `    this.#dirtyFiles.add(segment.path('log'))
    await this.#writeIndexes(segment, builder)`,
    replace: `    await this.#writeIndexes(segment, builder)`,
    why: 'The checkpoint names bytes that a power cut loses; their journal is gone.',
    from: 'invariant S2',
    shows: 'Two checkpoints, then a power cut.',
  },
  {
    name: 'deleted-records-come-back',
    file: STORE,
    find: `    const lsn = this.#write([{ kind: 'log-start', logId: log.logId, offset }])
    log.applyLogStartOffset(offset)`,
    replace: `    const lsn = this.#appendedLsn
    log.applyLogStartOffset(offset)`,
    why: 'Records that were deleted are there again after a restart.',
    from: 'KAFKA-7190 (DeleteRecords)',
    shows: 'DeleteRecords, then a crash before the next checkpoint.',
  },
  {
    name: 'deleted-records-take-others-along',
    file: 'src/storage/partition-log.ts',
    find: `this.segments[count]!.endOffset <= offset) count += 1`,
    replace: `this.segments[count]!.baseOffset < offset) count += 1`,
    why: 'DeleteRecords removes a whole segment, with records that were to stay.',
    from: 'KAFKA-13194',
    shows: 'DeleteRecords into the middle of a segment that is not the last, then a checkpoint.',
    survives:
      'Segments in the workloads are larger than what is written to them, so a deletion never ends inside one that is not the last.',
  },
  {
    name: 'deleted-topic-comes-back',
    file: 'src/storage/recovery.ts',
    find: `        log.isDropped = true
        this.logs.delete(entry.logId)`,
    replace: `        log.isDropped = true`,
    why: 'After a restart records of a deleted topic are in the way of the new one of its name, or the broker does not start.',
    from: 'KAFKA-5202',
    shows: 'A topic is deleted and made again, then a crash.',
    survives:
      'The topic must be in a checkpoint with segments, and its deletion only in the journal, when the crash comes.',
  },
  {
    name: 'topic-answered-before-durable',
    file: 'src/broker/catalogue-runtime.ts',
    find: `    this.commit(records)
    await this.#store.whenDurable(this.#lastLsn)
    return reply`,
    replace: `    this.commit(records)
    return reply`,
    why: 'A topic that was created is gone after a power cut.',
    from: 'own promise: what was acknowledged is on disk',
    shows: 'A power cut just after CreateTopics was answered.',
  },
  {
    name: 'read-beyond-the-limit-in-memory',
    file: 'src/storage/batch-window.ts',
    find: `      if (lastOffset >= upperOffset) break
`,
    replace: `      if (lastOffset > upperOffset) break
`,
    why: 'Readers get one record that is undecided or not durable.',
    from: 'Redpanda 3036',
    shows: 'A one-record batch at the start of an open transaction.',
  },
  {
    name: 'read-skips-in-segments',
    file: 'src/storage/segment.ts',
    find: `      if (batch.header.lastOffset < fromOffset) continue
`,
    replace: `      if (batch.header.baseOffset < fromOffset) continue
`,
    why: 'A consumer that goes on in the middle of a batch, after it has left memory, misses the rest of it.',
    from: 'KAFKA-13603',
    shows: 'A fetch from inside a batch that is on disk only.',
  },
]
