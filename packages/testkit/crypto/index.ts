/** Tests for every crypto suite. */
export { describeAead } from './describe-aead.js';
export { describeLowOrder } from './describe-low-order.js';
export { describeSuite } from './describe-suite.js';
export * from './hex.js';
export * from './memory-search.js';
export * from './vectors.js';
