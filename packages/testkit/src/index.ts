/** Simulations of the protocol: two endpoints, a network, virtual time, a model of what may happen. For tests only. */
export * from './buffer-like.js';
export * from './content.js';
export * from './digest.js';
export * from './endpoint-pair.js';
export * from './event-queue.js';
export * from './loss-table.js';
export { measureTransfer, type TransferConditions, type TransferResult } from './measure-transfer.js';
export * from './pair.js';
export * from './plain-suite.js';
export { REGRESSIONS, type Regression } from './regressions.js';
export * from './run-scenario.js';
export * from './scenario.js';
export * from './seeded-random.js';
export { formatSharingTable, measureSharing, SHARINGS } from './sharing-table.js';
export * from './simulated-network.js';
export * from './stream-model.js';
export { SCENARIO_NAMES, type ScenarioName } from './troubles.js';
