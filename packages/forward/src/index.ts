export { Acceptor, type AcceptorObserver, type AcceptorOptions } from './acceptor.js';
export { type AllowRule, parseAllowRule } from './allow-rules.js';
export type { OwnAddresses } from './authorize.js';
export { DescriptorGuard, OUT_OF_DESCRIPTORS } from './descriptor-guard.js';
export { type Family, familyOf, inDialOrder } from './dial-order.js';
export {
  decodeEnrolAnswer,
  type EnrolAnswer,
  encodeEnrolAnswer,
  MAX_ENROL_ANSWER_BYTES,
  NAME_PATTERN,
} from './enrolment/enrol-answer.js';
export * from './enrolment/invite-link.js';
export { type OneTimeKeys, oneTimeKeys } from './enrolment/one-time-keys.js';
export { MAX_CONNECTIONS, VISITOR_TIMEOUT_MS } from './forward-constants.js';
export * from './forward-spec.js';
export { IncomingRequest, type IncomingRequestOptions, type RequestService } from './incoming-request.js';
export { type Link, type LocalEnd, programEnd } from './local-end.js';
export { LookupQueue, type NameResolver } from './lookup-queue.js';
export type { OpenerObserver } from './opener.js';
export type { PumpSummary } from './pump.js';
export {
  decodeRequest,
  decodeStatus,
  encodeRequest,
  encodeStatus,
  REQUEST_STATUSES,
  type RequestStatus,
  type StreamRequest,
} from './request.js';
export { type ResettableSocket, resetSocket, resetSockets } from './reset-socket.js';
export {
  formatPlace,
  type ListenPlace,
  type ListenRule,
  parseListenRule,
} from './reverse/listen-rules.js';
export type { ListenerInfo, ListenersObserver } from './reverse/listener-parts.js';
export { PeerListeners } from './reverse/peer-listeners.js';
export { decodeListenAnswer } from './reverse/reverse-requests.js';
export { SocketWatch, type Watched } from './socket-watch.js';
export { type ListenAddress, listenTcp, type TcpListener } from './tcp-listener.js';
export type { Tunnel } from './tunnel.js';
export { TunnelError, type TunnelFailure } from './tunnel-error.js';
export { TunnelSocket, type TunnelSocketOptions } from './tunnel-socket.js';
