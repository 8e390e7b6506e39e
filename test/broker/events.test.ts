/** The broker's structured events: who listens sees appends, flushes, markers, transitions, fences and requests. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, onTestFinished, test } from 'vitest'
import { TestBroker } from './test-broker.ts'

test('each kind of event is published with what its channel promises', async () => {
  const seen = new Map<string, Record<string, unknown>[]>()
  for (const kind of ['request', 'append', 'marker', 'state-change', 'fence', 'flush']) {
    const channel = `semel:broker:${kind}`
    const events: Record<string, unknown>[] = []
    seen.set(kind, events)
    const listener = (event: unknown): void => void events.push(event as Record<string, unknown>)
    subscribe(channel, listener)
    onTestFinished(() => void unsubscribe(channel, listener))
  }
  await using broker = await TestBroker.start()
  const client = await broker.connect()
  await client.createTopic('t')
  const first = await client.initProducer('id')
  await client.produceIn('id', first, 't', 0, 'x')
  const second = await client.endTxn('id', first, true)
  await client.produceIn('id', first, 't', 1, 'late')

  const of = (kind: string) => seen.get(kind) ?? []
  expect(of('append')).toContainEqual(
    expect.objectContaining({ topic: 't', partition: 0, baseOffset: 0, lastOffset: 0, isTransactional: true }),
  )
  expect(of('marker')).toContainEqual(
    expect.objectContaining({ topic: 't', markerType: 'COMMIT', producerEpoch: second.producerEpoch }),
  )
  const states = of('state-change').map(({ transactionalId, from, to }) => [transactionalId, from, to])
  expect(states).toEqual([
    ['id', undefined, 'Empty'],
    ['id', 'Empty', 'Ongoing'],
    ['id', 'Ongoing', 'PrepareCommit'],
    ['id', 'PrepareCommit', 'CompleteCommit'],
  ])
  expect(of('fence')).toContainEqual(
    expect.objectContaining({ api: 'Produce', topic: 't', producerEpoch: first.producerEpoch }),
  )
  expect(of('flush').length).toBeGreaterThan(0)
  expect(of('flush')[0]).toEqual({ durableLsn: expect.any(Number), frames: expect.any(Number) })
  expect(of('request')).toContainEqual(
    expect.objectContaining({ apiName: 'EndTxn', apiVersion: 5, clientId: 'wire-client', errorCode: 'NONE' }),
  )
})
