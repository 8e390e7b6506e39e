/** `semel/broker`: a Kafka-compatible broker inside this process. */
export { Broker } from './broker.ts'
export type { BrokerOptions } from './broker.ts'
export { ConfigError } from './config.ts'
export type { Durability, RecoverySummary } from '../storage/log-store.ts'
export { CorruptionError, StorageFailure, UnsupportedFormatError } from '../storage/errors.ts'
export type { Clock, EventSink, FileSystem, Logger, Network, Random, Runtime } from '../base/runtime.ts'
