/** What `import … from 'underpass'` offers.
 *
 *  This file is shipped as the declarations of the package (`bundle/api.d.ts`), so it contains nothing but types and
 *  imports only Node's.
 *  @module underpass */
import type { EventEmitter } from 'node:events';
import type { Agent as HttpAgent, AgentOptions as HttpAgentOptions } from 'node:http';
import type { Agent as HttpsAgent, AgentOptions as HttpsAgentOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

/** Opens a tunnel, and resolves when the relay has answered.
 *
 *  @param relay  the name of a saved relay (`underpass client LINK` saves one), or where to find the relay and the keys
 *  @throws UnderpassError with the code `relay-not-reached` if the relay does not answer in time, `client-running` if
 *    another process uses the same keys, `invalid-config` or `invalid-option` for mistakes, and `name-not-found` if the
 *    relay's name does not exist
 *  @throws the signal's reason when it aborts */
export declare function connect(
  relay: string | ConfigFileOptions | KeyOptions,
  options?: TunnelOptions,
): Promise<Tunnel>;

/** Enrols this program at a relay, with the link of an invite, which works once. Keep what it resolves with: `connect` takes
 *  it, now and in later runs.
 *
 *  @param options  the program's own key. Keep it before you call: if the answer is lost, only the same key gets it again
 *  @throws UnderpassError with the code `invalid-option` for a text that is no link or no key, `relay-not-reached` if the
 *    relay does not answer (try again with the same link and key), `invite-used`, `invite-expired` or `invite-revoked`, and
 *    `enrolment-failed` if the relay could not do it
 *  @throws the signal's reason when it aborts */
export declare function enrol(link: string, options: EnrolOptions): Promise<Enrolment>;

/** Draws a new key pair, as `underpass keygen` and `underpass pubkey` do. */
export declare function generateKeyPair(): KeyPair;

/** A failure with an outside cause. */
export declare class UnderpassError extends Error {
  readonly code: UnderpassErrorCode;
  /** What to do about it. Empty when the message already says it. */
  readonly hint: string;
  constructor(code: UnderpassErrorCode, message: string, hint: string, options?: ErrorOptions);
}

export type UnderpassErrorCode =
  | 'address-in-use'
  | 'address-not-available'
  | 'permission-denied'
  | 'cannot-bind'
  | 'name-not-found'
  | 'invalid-option'
  | 'invalid-config'
  | 'client-running'
  | 'relay-not-reached'
  | 'invite-used'
  | 'invite-expired'
  | 'invite-revoked'
  | 'enrolment-failed'
  | 'closed';

/** Why a connection through the tunnel failed, or why the relay does not listen. */
export declare class TunnelError extends Error {
  readonly failure: TunnelFailure;
  /** The system's name for the failure that a direct connection would have met, for example ECONNREFUSED. */
  readonly code: string;
  constructor(failure: TunnelFailure, message: string);
}

/** - relay-not-reached: the relay did not answer in time, so nothing was asked of it
 *  - connection-lost: the connection to the relay ended, for example because the relay was restarted
 *  - reset: the target reset the connection
 *  - not-read: the target no longer reads what is sent to it
 *
 *  All others are the relay's refusal. */
export type TunnelFailure =
  | 'not-allowed'
  | 'name-not-found'
  | 'connection-refused'
  | 'unreachable'
  | 'timed-out'
  | 'too-many-streams'
  | 'malformed-request'
  | 'internal-error'
  | 'address-in-use'
  | 'invite-used'
  | 'invite-expired'
  | 'relay-not-reached'
  | 'connection-lost'
  | 'reset'
  | 'not-read';

/** 32 bytes, or their base64 text as `underpass keygen` prints it. Bytes are copied, so the caller can wipe its own. */
export type Key = string | Uint8Array;

export interface KeyPair {
  /** Both are base64 text. */
  readonly privateKey: string;
  readonly publicKey: string;
}

/** A config file of `underpass client`. Its forwards are not opened. */
export interface ConfigFileOptions {
  readonly config: string;
}

export interface KeyOptions {
  /** `host:port`, with an IPv6 address in brackets. */
  readonly relay: string;
  readonly relayPublicKey: Key;
  /** This program's own key. No other process may use it at the same time. */
  readonly privateKey: Key;
  readonly presharedKey?: Key;
  /** 0, the default, turns it off. */
  readonly persistentKeepaliveMs?: number;
}

export interface EnrolOptions {
  /** Of `generateKeyPair`. It never leaves this program. */
  readonly privateKey: Key;
  /** Gives up. The relay may have made a peer of this program all the same: try again with the same link and key. */
  readonly signal?: AbortSignal;
}

/** Where the relay is, and the keys for it. All keys are base64 text, so it can be kept as JSON. Whoever has it can take this
 *  program's place. */
export interface Enrolment extends KeyOptions {
  readonly relayPublicKey: string;
  readonly privateKey: string;
  readonly presharedKey: string;
  /** What the relay calls this program. */
  readonly peerName: string;
  /** What the relay calls itself; empty if it has no name. */
  readonly relayName: string;
}

export interface TunnelOptions {
  /** How long to wait for the relay: here in `connect`, and in `dial` for a relay that was lost. 0 waits forever. The
   *  default is the config file's, or 30 s. */
  readonly connectTimeoutMs?: number;
  /** Closes the tunnel, or gives up connecting. */
  readonly signal?: AbortSignal;
  /** Receives what the tunnel logs; a pino logger will do. By default nothing is logged. */
  readonly log?: Log;
}

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Connections to whatever the relay lets this client reach. They survive a new address and an outage; a restart of the
 *  relay ends them, and the next `dial` finds the relay again. */
export interface Tunnel extends EventEmitter<TunnelEvents>, AsyncDisposable {
  /** Opens a connection. It can be written to at once: `connect` follows when the relay has reached the target, and a
   *  `TunnelError` when that failed.
   *  @throws UnderpassError when the target is not one, or the tunnel is closed */
  dial(target: DialTarget, options?: DialOptions): TunnelSocket;
  /** An agent for `http.request`, whose names the relay resolves. */
  httpAgent(options?: HttpAgentOptions): HttpAgent;
  /** An agent for `https.request`. TLS is between this program and the target: the relay sees none of it. */
  httpsAgent(options?: HttpsAgentOptions): HttpsAgent;
  /** For undici: `new Agent({ connect: tunnel.connector })` is a dispatcher for its `fetch`. */
  readonly connector: Connector;
  /** Has the relay listen, and connects whoever comes there to this program, or to a target that this machine reaches. If
   *  the connection to the relay is lost, it listens again by itself.
   *  @param place  a port of the relay's loopback interface, or `address:port`; port 0 lets the relay choose
   *  @throws TunnelError when the relay refuses */
  listen(place: string | number, target: ListenTarget, options?: ListenOptions): Promise<TunnelListener>;
  status(): TunnelStatus;
  /** Ends all connections and lets the process exit, within 5 s. Never rejects. */
  close(): Promise<void>;
}

/** A function gets each visitor, like a listener for the `connection` of a `net.Server`. Otherwise `host:port`, a port of
 *  this machine, or `unix:/path`. */
export type ListenTarget = ((visitor: TunnelSocket) => void) | string | number;

export interface ListenOptions {
  /** Gives up. A listener that is open stays. */
  readonly signal?: AbortSignal;
  /** Whether a visitor's socket may be written to after the visitor has ended its direction. The default is false, as in
   *  `net.createServer`. Only for visitors that a function gets. */
  readonly allowHalfOpen?: boolean;
}

/** As text `host:port`, with IPv6 in brackets, or `unix:/path` for a unix socket of the relay's machine. */
export type DialTarget =
  | string
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

export interface DialOptions {
  /** Whether the socket may be written to after the target has ended its direction. The default is false, as in
   *  `net.connect`. */
  readonly allowHalfOpen?: boolean;
  /** Destroys the socket. */
  readonly signal?: AbortSignal;
}

/** A Duplex with the part of `net.Socket` that programs use. To destroy it before both directions have ended resets
 *  it. */
export interface TunnelSocket extends Duplex {
  /** True until `connect` or `close`. */
  readonly connecting: boolean;
  readonly pending: boolean;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly timeout?: number;
  /** Where a visitor comes from, as the relay sees it; undefined for a connection that was dialled. */
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** Emits `timeout` whenever no byte has moved for `timeoutMs`; 0 turns it off. */
  setTimeout(timeoutMs: number, onTimeout?: () => void): this;
  resetAndDestroy(): this;
  /** The next four do nothing: there is no local TCP connection. */
  setNoDelay(): this;
  setKeepAlive(): this;
  ref(): this;
  unref(): this;
}

/** Has the shape of undici's `buildConnector.connector`. Other options of `tls.connect`, such as `ca`, are passed on. */
export type Connector = (options: ConnectorOptions, callback: ConnectorCallback) => void;

export interface ConnectorOptions extends Omit<ConnectionOptions, 'host' | 'port' | 'servername' | 'socket'> {
  readonly hostname: string;
  /** `https:` adds TLS. */
  readonly protocol: string;
  /** As text, and empty for the protocol's own port. */
  readonly port: string;
  readonly servername?: string | undefined;
}

export type ConnectorCallback = (
  ...result: [error: null, socket: Socket | TLSSocket] | [error: Error, socket: null]
) => void;

export interface TunnelListener extends AsyncDisposable {
  /** The relay's port; undefined while the relay does not listen, and for a unix socket. */
  readonly port: number | undefined;
  /** Connections that are open go on. */
  close(): Promise<void>;
}

export interface TunnelStatus {
  readonly relay: { readonly host: string; readonly port: number };
  /** Whether the relay has answered and nothing has ended that connection. An outage does not end it. */
  readonly connected: boolean;
  /** Whether an answer of the relay is overdue, so that connections wait. */
  readonly waiting: boolean;
  /** The smoothed round trip time. */
  readonly rttMs: number | undefined;
  /** Of datagrams, including what the tunnel adds. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly packetsLost: number;
  /** The implementation of the ciphers in use. */
  readonly suite: string;
  readonly connections: readonly { readonly id: number; readonly target: string }[];
}

export type TunnelEvents = {
  /** The relay answered again after `disconnected`. */
  connected: [];
  /** The relay was restarted or stopped, has removed this client, or another process has taken its place. */
  disconnected: [
    event: { readonly cause: DisconnectCause; readonly reason: string; readonly lostConnections: number },
  ];
  /** Nothing was heard of the relay for a while, so connections wait. */
  waiting: [event: { readonly silentMs: number }];
  resumed: [event: { readonly silentMs: number }];
  /** Why the relay cannot be reached, as far as this machine knows. */
  problem: [event: { readonly code: string; readonly message: string }];
  close: [];
};

export type DisconnectCause =
  | 'relay-restarted'
  | 'relay-stopped'
  | 'removed'
  | 'superseded'
  | 'error-at-relay'
  | 'error';
