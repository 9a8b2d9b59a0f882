export * from './cookie.js';
export * from './initiation.js';
export * from './load-meter.js';
export * from './mac.js';
export * from './noise.js';
export * from './rate-limiter.js';
export * from './response.js';
