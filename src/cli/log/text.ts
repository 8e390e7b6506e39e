/**
 * Lines of `semel log` for people: `name=value` pairs with the names of the JSON format, without those that say nothing,
 * and with dates in place of milliseconds.
 */
import type { FileCheck } from '../../storage/inspect/verify.ts'
import type { BatchLine, InternalRecordLine, Line, RecordLine } from './lines.ts'
import { bytesAsText } from './shown-bytes.ts'

/** What ids, epochs and timestamps have in Kafka's records when there is none. */
const NOT_SET = -1

/** Rows that belong to the one above them. */
const NESTED: ReadonlySet<string> = new Set(['log-created', 'log-dropped', 'log-start', 'segment'])

/** @param isInFrame  the line stands below the journal frame that it is in */
export function lineAsText(line: Line, isInFrame: boolean): string {
  const indent = isInFrame ? '  ' : ''
  switch (line.type) {
    case 'batch':
      return isInFrame ? `  append ${logName(line)} ${batchAsText(line)}` : batchAsText(line)
    case 'record':
      return `${indent}  ${recordAsText(line)}`
    case 'transaction':
    case 'offset-commit':
    case 'group':
    case 'catalogue':
      return `${indent}  ${internalRecordAsText(line)}`
    default: {
      const { type, ...fields } = line as Readonly<Record<string, unknown>>
      return `${isInFrame || NESTED.has(String(type)) ? '  ' : ''}${String(type)} ${fieldsAsText(fields)}`
    }
  }
}

function logName({ topic, partition }: BatchLine): string {
  return topic === null ? 'unknown log' : `${topic}-${partition}`
}

function batchAsText(line: BatchLine): string {
  const { baseTimestamp, maxTimestamp, timestampType } = line
  const times = baseTimestamp === maxTimestamp ? date(maxTimestamp) : `${date(baseTimestamp)}..${date(maxTimestamp)}`
  const hasProducer = line.producerId >= 0
  return fieldsAsText({
    baseOffset: line.baseOffset,
    lastOffset: line.lastOffset,
    count: line.count,
    ...(line.markerType === null ? {} : { markerType: line.markerType, coordinatorEpoch: line.coordinatorEpoch }),
    ...(hasProducer ? { producerId: line.producerId, producerEpoch: line.producerEpoch } : {}),
    ...(line.baseSequence >= 0 ? { baseSequence: line.baseSequence, lastSequence: line.lastSequence } : {}),
    ...(line.isTransactional ? { isTransactional: true } : {}),
    ...(line.isControl ? { isControl: true } : {}),
    compression: line.compression,
    [timestampType]: times,
    leaderEpoch: line.leaderEpoch,
    sizeBytes: line.sizeBytes,
    ...(line.position === null ? {} : { position: line.position }),
    ...(line.lsn === null ? {} : { lsn: line.lsn }),
    crc: 'ok',
  })
}

function recordAsText({ offset, timestamp, key, value, headers }: RecordLine): string {
  const named = headers.map((header) => `${plain(header.key)}=${bytesAsText(header.value)}`)
  const end = named.length === 0 ? '' : ` headers={${named.join(' ')}}`
  return `offset=${offset} timestamp=${date(timestamp)} key=${bytesAsText(key)} value=${bytesAsText(value)}${end}`
}

function internalRecordAsText({ type, offset, timestamp, key, value }: InternalRecordLine): string {
  const state = value === null ? 'deleted' : fieldsAsText(withoutNothing(value))
  return `offset=${offset} timestamp=${date(timestamp)} ${type} ${fieldsAsText(withoutNothing(key))} ${state}`
}

/** Without what is not set: most of these records have many such fields. */
function withoutNothing(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isSet = (value: unknown): boolean => value !== null && value !== '' && value !== NOT_SET
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => isSet(value)))
}

function fieldsAsText(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${valueAsText(name, value)}`)
    .join(' ')
}

function valueAsText(name: string, value: unknown): string {
  if (typeof value === 'number') return /timestamp$/i.test(name) ? date(value) : String(value)
  if (typeof value === 'string') return plain(value)
  if (Array.isArray(value)) return `[${value.map((element) => valueAsText('', element)).join(', ')}]`
  if (typeof value === 'object' && value !== null)
    return `{${fieldsAsText(withoutNothing(value as Record<string, unknown>))}}`
  return String(value)
}

/** Quoted where it would not be clear where it ends. */
function plain(text: string): string {
  return /^[^\s"=,[\]{}\p{C}]+$/u.test(text) ? text : JSON.stringify(text)
}

const DATE_MS_MAX = 8.64e15

function date(timestampMs: number): string {
  return timestampMs < 0 || timestampMs > DATE_MS_MAX ? String(timestampMs) : new Date(timestampMs).toISOString()
}

/** Most partitions have none. */
const QUIET_AT_ZERO: ReadonlySet<string> = new Set([
  'producers',
  'committedTransactions',
  'abortedTransactions',
  'openTransactions',
  'logStartOffset',
  'inJournal',
])

/** A file on one line, and below it what is to be said about it. */
export function checkAsText({ kind, details, damage, notes, isDamaged }: FileCheck, shownPath: string): string {
  const told = Object.entries(details).filter(([name, value]) => value !== 0 || !QUIET_AT_ZERO.has(name))
  const what = told.length === 0 ? '' : `  ${fieldsAsText(Object.fromEntries(told))}`
  const lines = [`${isDamaged ? 'DAMAGED' : 'ok     '}  ${kind}  ${shownPath}${what}`]
  for (const { position, problem, meaning } of damage) {
    lines.push(`         ${shownPath} position ${position}: ${problem}. ${meaning}`)
  }
  for (const note of notes) lines.push(`         note: ${note}`)
  return lines.join('\n')
}
