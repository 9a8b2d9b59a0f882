export * from './clock.js';
export * from './crypto/index.js';
export * from './datagram-socket.js';
export * from './driver.js';
export * from './log.js';
export * from './random.js';
export * from './udp-socket.js';
export * from './underpass-error.js';
