/** Processes and a network in virtual time. Unlike the rest of testkit, this part is for programs too: the playground
 *  shows it. It needs nothing of a platform. */
export * from './buffer-like.js';
export type * from './carried.js';
export * from './digest.js';
export type { DriverOptions, Turn } from './endpoint-driver.js';
export * from './event-queue.js';
export * from './forged-initiations.js';
export * from './network-conditions.js';
export * from './pair.js';
export * from './seeded-random.js';
export * from './simulated-network.js';
export * from './world.js';
