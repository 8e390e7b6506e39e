import { describe, expect, test } from 'vitest'
import { loadConfig } from './config.ts'
import { advertisedEndpoint, advertisedListenerOf, listenerOf, parseHostAndPort } from './listeners.ts'

const load = (properties: Record<string, string>) => loadConfig(properties).config

describe('where to listen', () => {
  test('loopback unless told otherwise', () => {
    expect(listenerOf(load({}))).toEqual({ host: '127.0.0.1', port: 9092 })
  })

  test.each([
    ['PLAINTEXT://:9092', { host: '0.0.0.0', port: 9092 }],
    ['PLAINTEXT://localhost:0', { host: 'localhost', port: 0 }],
    ['PLAINTEXT://[::1]:9092', { host: '::1', port: 9092 }],
    ['EXTERNAL://127.0.0.1:1', { host: '127.0.0.1', port: 1 }],
  ])('%s', (listeners, endpoint) => {
    expect(listenerOf(load({ listeners }))).toEqual(endpoint)
  })

  test('controller listeners do not count', () => {
    const listeners = 'PLAINTEXT://:9092,CONTROLLER://:9093'
    expect(listenerOf(load({ listeners, 'controller.listener.names': 'CONTROLLER' })).port).toBe(9092)
    expect(() => listenerOf(load({ listeners }))).toThrow(/give one/)
  })

  test.each([
    ['SSL://:9092', /TLS or SASL/],
    ['SASL_PLAINTEXT://:9092', /TLS or SASL/],
    ['localhost:9092', /is not PLAINTEXT/],
    ['PLAINTEXT://localhost', /is not HOST:PORT/],
    ['PLAINTEXT://localhost:99999', /is not HOST:PORT/],
    ['', /no address/],
  ])('%s is refused', (listeners, message) => {
    expect(() => listenerOf(load({ listeners }))).toThrow(message)
  })
})

describe('what clients are told', () => {
  const bound = { host: '0.0.0.0', port: 40_000 }

  test('the advertised address, else where the broker listens', () => {
    expect(advertisedEndpoint(undefined, bound)).toEqual({ host: 'localhost', port: 40_000 })
    expect(advertisedEndpoint(undefined, { host: '127.0.0.1', port: 5 })).toEqual({ host: '127.0.0.1', port: 5 })
    const advertised = advertisedListenerOf(load({ 'advertised.listeners': 'PLAINTEXT://kafka.example:19092' }))
    expect(advertisedEndpoint(advertised, bound)).toEqual({ host: 'kafka.example', port: 19_092 })
  })

  test('an address that means every interface cannot be advertised', () => {
    expect(() => advertisedListenerOf(load({ 'advertised.listeners': 'PLAINTEXT://0.0.0.0:9092' }))).toThrow(
      /cannot be/,
    )
  })
})

test('host and port', () => {
  expect(parseHostAndPort('[fe80::1]:9092')).toEqual({ host: 'fe80::1', port: 9092 })
  expect(() => parseHostAndPort('::1:9092')).toThrow(/HOST:PORT/)
})
