export * from './log.js';
export * from './underpass-error.js';
