export { Acceptor, type AcceptorObserver, type AcceptorOptions } from './acceptor.js';
export { type AllowRule, parseAllowRule } from './allow-rules.js';
export type { OwnAddresses } from './authorize.js';
export { DescriptorGuard, OUT_OF_DESCRIPTORS } from './descriptor-guard.js';
export { type Family, FamilyMemory, familyOf, inDialOrder } from './dial-order.js';
export { DialQueue } from './dial-queue.js';
export { DialService, type Route } from './dial-service.js';
export {
  decodeEnrolAnswer,
  type EnrolAnswer,
  encodeEnrolAnswer,
  MAX_ENROL_ANSWER_BYTES,
  NAME_PATTERN,
} from './enrolment/enrol-answer.js';
export * from './enrolment/invite-link.js';
export { type OneTimeKeys, oneTimeKeys } from './enrolment/one-time-keys.js';
export { evictedIdleMs, FlowIdle, idleLimitMs } from './flow-idle.js';
export {
  MAX_CONNECTIONS,
  MAX_FLOWS_PER_FORWARD,
  MAX_PROXY_DIALOGUES,
  PROXY_REQUEST_TIMEOUT_MS,
  VISITOR_TIMEOUT_MS,
} from './forward-constants.js';
export * from './forward-spec.js';
export {
  MAX_RANGE_PORTS,
  parseAnyTarget,
  parseDynamicForward,
  parseLocalForwards,
  parseReverseForwards,
  parseTarget,
  parseUdpForwards,
  withProxyProtocol,
} from './forward-syntax.js';
export { IdleWatch } from './idle-watch.js';
export { IncomingRequest, type IncomingRequestOptions, type RequestService } from './incoming-request.js';
export { type Listener, listenAt } from './listener.js';
export { type Link, type LocalEnd, programEnd } from './local-end.js';
export { LookupQueue, type NameResolver } from './lookup-queue.js';
export { type MaxRate, parseMaxRate } from './max-rate.js';
export type { OpenerObserver } from './opener.js';
export { type FlowObserver, OutgoingFlow } from './outgoing-flow.js';
export { openProbe, type ProbeOptions, type ProbeOutcome } from './probe/probe-opener.js';
export type { ProbeReport } from './probe/probe-report.js';
export { ProxyDialogue } from './proxy/proxy-dialogue.js';
export { answerAndClose, ProxyEnd } from './proxy/proxy-end.js';
export type { AssociateRequest, ProxyRequest } from './proxy/proxy-request.js';
export { UdpAssociation } from './proxy/udp-association.js';
export { type ConnectionEnd, encodeProxyHeader, proxyHeaderOf } from './proxy-header.js';
export type { PumpSummary } from './pump.js';
export { RateLimit } from './rate-limit.js';
export type { UdpRequest, UdpSocketRequest } from './request.js';
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
  formatRelayPlace,
  type ListenRule,
  LOWEST_COMMON_PORT,
  listenRuleFor,
  parseListenRule,
  type RelayPlace,
  relayPlaceOf,
} from './reverse/listen-rules.js';
export type { ListenerInfo, ListenersObserver } from './reverse/listener-parts.js';
export { PeerListeners } from './reverse/peer-listeners.js';
export { CLIENT_GONE } from './reverse/reverse-listener.js';
export { decodeListenAnswer } from './reverse/reverse-requests.js';
export { SocketWatch, type Watched } from './socket-watch.js';
export { isGlobalAddress } from './special-purpose.js';
export type { ListenAddress } from './tcp-listener.js';
export { TcpRoute } from './tcp-route.js';
export type { Tunnel } from './tunnel.js';
export { TunnelError, type TunnelFailure } from './tunnel-error.js';
export { TunnelSocket, type TunnelSocketOptions } from './tunnel-socket.js';
export { listenUdp, type UdpListener } from './udp-listener.js';
export { UnixRoute } from './unix-route.js';
