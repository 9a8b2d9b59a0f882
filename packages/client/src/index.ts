export * from './client-options.js';
export * from './start-client.js';
