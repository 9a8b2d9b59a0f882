import { CONGESTION_EXPERIMENTS } from './congestion.js';
import { CONNECTION_EXPERIMENTS } from './connection.js';
import { DATAGRAM_EXPERIMENTS } from './datagrams.js';
import type { Experiment } from './experiment.js';

export type { Experiment } from './experiment.js';

export const EXPERIMENTS: readonly Experiment[] = [
  ...DATAGRAM_EXPERIMENTS,
  ...CONNECTION_EXPERIMENTS,
  ...CONGESTION_EXPERIMENTS,
];
