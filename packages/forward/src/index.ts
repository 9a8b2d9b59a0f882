export { Acceptor, type AcceptorObserver, type AcceptorOptions } from './acceptor.js';
export { type AllowRule, parseAllowRule } from './allow-rules.js';
export { MAX_CONNECTIONS } from './forward-constants.js';
export * from './forward-spec.js';
export { LookupQueue, type NameResolver } from './lookup-queue.js';
export { type OpenerObserver, openThroughTunnel } from './opener.js';
export type { PumpSummary } from './pump.js';
export { resetSockets } from './reset-socket.js';
export { type ListenAddress, listenTcp, type TcpListener } from './tcp-listener.js';
