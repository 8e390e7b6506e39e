/** A broker and producers on it in one process, in virtual time or on real sockets. */
import type { Runtime } from '../../src/base/runtime.ts'
import { Cluster } from '../../src/client/cluster/cluster.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { ProducerOptions } from '../../src/client/producer/producer-options.ts'
import type { TestBroker } from '../broker/test-broker.ts'

export function clusterOf(broker: TestBroker, runtime: Runtime): Cluster {
  const { host, port } = broker.broker
  return new Cluster({
    bootstrap: [{ host, port }],
    clientId: 'test',
    softwareVersion: '0',
    runtime,
    connectTimeoutMs: 10_000,
    requestTimeoutMs: 30_000,
    reconnectBackoffMs: 10,
    reconnectBackoffMaxMs: 200,
    retryBackoffMs: 20,
    retryBackoffMaxMs: 200,
    metadataMaxAgeMs: 300_000,
    maxResponseBytes: 16 * 1024 * 1024,
    autoCreateTopics: true,
  })
}

export function producerOf(
  broker: TestBroker,
  options: ProducerOptions = {},
  runtime: Runtime = broker.runtime,
): Producer {
  return new Producer(clusterOf(broker, runtime), options)
}
