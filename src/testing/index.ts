/** `semel/testing`: brokers, clients and pipelines in one process under virtual time, and everything that can go wrong. */
export { simulate, SimulationFailure } from './simulate.ts'
export type { Application, ApplicationContext, SeedFailure, SimulateOptions, SimulateReport } from './simulate.ts'
export type { InputRecord } from './simulate-run.ts'
export type { OutputRecord } from './simulate-output.ts'
export { simulation } from './simulation.ts'
export type {
  SimulatedBrokerOptions,
  SimulatedClient,
  Simulation,
  SimulationOptions,
} from './simulation.ts'
export type { BrokerNode } from './world/broker-node.ts'
export { FAULT_KINDS } from './world/faults.ts'
export type { FaultKind, PlannedFault } from './world/faults.ts'
export type { CrashDamage, Fault } from './sim-disk.ts'
export type { Direction, Disturbance, SimNetwork } from './sim-network.ts'
export type { SimClock } from './sim-clock.ts'
