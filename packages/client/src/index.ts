export * from './client-options.js';
export * from './enrol.js';
export * from './start-client.js';
