export { Acceptor, type AcceptorObserver, type AcceptorOptions } from './acceptor.js';
export { type AllowRule, parseAllowRule } from './allow-rules.js';
export * from './forward-spec.js';
export { LookupQueue, type NameResolver } from './lookup-queue.js';
export { type OpenerObserver, openThroughTunnel } from './opener.js';
export { type PumpSummary, resetSocket } from './pump.js';
export { type ListenAddress, listenTcp, type TcpListener } from './tcp-listener.js';
