export * from './relay.js';
export * from './relay-options.js';
export {
  MAX_WORKERS,
  type SharedRelay,
  type SharedRelayOptions,
  startSharedRelay,
} from './workers/shared-relay.js';
export { runWorker } from './workers/worker.js';
export { type SpawnWorker, WORKER_PIPE_FD, WORKER_SOCKET_FD } from './workers/worker-process.js';
