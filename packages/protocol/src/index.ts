export * from './address.js';
export * from './assert.js';
export * from './crypto/suite.js';
export * from './deadline.js';
export * from './endpoint/endpoint.js';
export * from './failure.js';
export * from './request.js';
export * from './streams/stream.js';
