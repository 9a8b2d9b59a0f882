export { chooseSuite } from './choose.js';
export { createNativeSuite } from './native.js';
export { loadSodium, type Sodium } from './sodium.js';
