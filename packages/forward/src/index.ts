export * from './allow-rules.js';
export * from './forward-spec.js';
