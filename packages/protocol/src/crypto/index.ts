export * from './bytes.js';
export * from './kdf.js';
export * from './portable.js';
export * from './suite.js';
