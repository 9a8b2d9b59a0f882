export * from './choose.js';
export { createNodeSuite } from './node-suite.js';
export { loadOpenSsl, type OpenSsl } from './openssl.js';
export { createOpenSslSuite } from './openssl-suite.js';
export { loadSodium, type Sodium } from './sodium.js';
export { createSodiumSuite } from './sodium-suite.js';
export { SUITE_NAMES, type SuiteName } from './suite-names.js';
export { createWasmSuite } from './wasm-suite.js';
export { type Direction, type MessageWatch, watchedSuite } from './watched-suite.js';
