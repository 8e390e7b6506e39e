import { describe, expect, test } from 'vitest'
import { formatOption, parseOption } from '../base/options.ts'
import type { Option } from '../base/options.ts'
import { BROKER_OPTIONS } from './config-options.ts'
import { isIgnoredOption } from './foreign-options.ts'
import { brokerConfigProblem, brokerOption, ConfigError, configText, loadConfig, withDynamicConfigs } from './config.ts'
import { parseProperties } from './properties.ts'
import { topicDefaults } from './topic-config.ts'

describe('loading', () => {
  test('Kafka defaults hold where nothing is set', () => {
    const { config } = loadConfig({})
    expect(config).toMatchObject({
      nodeId: 1,
      numPartitions: 1,
      autoCreateTopicsEnable: true,
      messageMaxBytes: 1_048_588,
      socketRequestMaxBytes: 104_857_600,
      transactionMaxTimeoutMs: 900_000,
      transactionalIdExpirationMs: 604_800_000,
      transactionAbortTimedOutTransactionCleanupIntervalMs: 10_000,
      producerIdExpirationMs: 86_400_000,
      offsetsTopicNumPartitions: 50,
      transactionStateLogNumPartitions: 50,
      groupInitialRebalanceDelayMs: 3000,
      durability: 'fsync',
    })
  })

  test('an unknown key is refused with the nearest one', () => {
    expect(() => loadConfig({ 'num.partition': '3' })).toThrow(
      new ConfigError('unknown configuration key num.partition; did you mean num.partitions?'),
    )
    expect(() => loadConfig({ toString: '3' })).toThrow(ConfigError)
  })

  test('a security option is refused by what it would do, not ignored', () => {
    expect(() => loadConfig({ 'ssl.keystore.location': '/x' })).toThrow(/no TLS, SASL or ACLs/)
    expect(() => loadConfig({ 'authorizer.class.name': 'x' })).toThrow(/no TLS, SASL or ACLs/)
  })

  test('a bad value is refused with what is expected', () => {
    expect(() => loadConfig({ 'num.partitions': 'many' })).toThrow('num.partitions=many: not a 32-bit whole number')
    expect(() => loadConfig({ 'semel.durability': 'sometimes' })).toThrow('expected one of fsync, os, memory')
  })

  test('two spellings of one option must agree', () => {
    expect(loadConfig({ 'broker.id': '7' }).config.nodeId).toBe(7)
    expect(loadConfig({ 'broker.id': '7', 'node.id': '7' }).config.nodeId).toBe(7)
    expect(() => loadConfig({ 'broker.id': '7', 'node.id': '8' })).toThrow(/name the same option/)
  })

  test.each([
    [{ 'message.max.bytes': '200', 'socket.request.max.bytes': '100' }, /could never arrive/],
    [{ 'default.replication.factor': '3' }, /one node/],
    [{ 'min.insync.replicas': '2' }, /never succeed/],
    [{ 'group.min.session.timeout.ms': '9', 'group.max.session.timeout.ms': '8' }, /is above/],
    [{ 'log.dirs': '/a,/b' }, /one directory/],
    [{ 'transaction.two.phase.commit.enable': 'true' }, /two-phase/],
  ])('%j contradicts itself', (properties, message) => {
    expect(() => loadConfig(properties as unknown as Record<string, string>)).toThrow(message)
  })

  test('the defaults of all options are legal, and no option is also ignored', () => {
    for (const option of Object.values(BROKER_OPTIONS) as Option[]) {
      const text = formatOption(option, option.default)
      if (text !== undefined)
        expect(parseOption(option, text), option.name).toEqual({ ok: true, value: option.default })
      expect(isIgnoredOption(option.name) && option.name !== 'controller.listener.names', option.name).toBe(false)
    }
  })

  test('a server.properties as Kafka ships it loads; what has no effect is named', () => {
    const { config, ignored } = loadConfig(parseProperties(KRAFT_SERVER_PROPERTIES))
    expect(config.logDirs).toBe('/tmp/kraft-combined-logs')
    expect(config.numPartitions).toBe(1)
    expect(ignored).toContain('process.roles')
    expect(ignored).toContain('num.network.threads')
    expect(ignored).not.toContain('node.id')
  })
})

describe('dynamic settings', () => {
  const loaded = loadConfig({ 'log.retention.ms': '1000' })

  test('later maps win over earlier ones and over the file', () => {
    const cluster = new Map([['log.retention.ms', '2000']])
    const node = new Map([['log.retention.ms', '3000']])
    expect(withDynamicConfigs(loaded, cluster).logRetentionMs).toBe(2000)
    expect(withDynamicConfigs(loaded, cluster, node).logRetentionMs).toBe(3000)
    expect(loaded.config.logRetentionMs).toBe(1000)
  })

  test('only what may change while running is accepted, with legal values', () => {
    expect(brokerConfigProblem(loaded, new Map([['message.max.bytes', '5']]))).toBeUndefined()
    expect(brokerConfigProblem(loaded, new Map([['node.id', '5']]))?.error).toBe('INVALID_REQUEST')
    expect(brokerConfigProblem(loaded, new Map([['unknown', '5']]))?.error).toBe('INVALID_REQUEST')
    expect(brokerConfigProblem(loaded, new Map([['message.max.bytes', 'x']]))?.error).toBe('INVALID_CONFIG')
    expect(brokerConfigProblem(loaded, new Map([['message.max.bytes', '999999999']]))?.error).toBe('INVALID_CONFIG')
  })
})

describe('defaults of topics', () => {
  test('they follow the broker options, the finest unit first', () => {
    expect(topicDefaults(loadConfig({}).config).retentionMs).toBe(604_800_000)
    expect(topicDefaults(loadConfig({ 'log.retention.hours': '1' }).config).retentionMs).toBe(3_600_000)
    const both = { 'log.retention.hours': '1', 'log.retention.minutes': '2' }
    expect(topicDefaults(loadConfig(both).config).retentionMs).toBe(120_000)
    expect(topicDefaults(loadConfig({ ...both, 'log.retention.ms': '-1' }).config).retentionMs).toBe(-1)
    expect(topicDefaults(loadConfig({ 'log.retention.hours': '-1' }).config).retentionMs).toBe(-1)
    expect(topicDefaults(loadConfig({ 'message.max.bytes': '77' }).config).maxMessageBytes).toBe(77)
  })
})

test('values print as text', () => {
  const { config } = loadConfig({})
  expect(configText(config, 'logMessageTimestampBeforeMaxMs')).toBe('9223372036854775807')
  expect(configText(config, 'logRetentionMs')).toBeNull()
  expect(brokerOption('broker.id')?.key).toBe('nodeId')
})

const KRAFT_SERVER_PROPERTIES = `
# The role of this server
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
#log.flush.interval.messages=10000
log.flush.interval.ms=1000
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`
