/** The client's interface: its options, events and status, as the command line, the demo and tests use them. */
import type {
  Forward,
  ProbeOptions,
  ProbeOutcome,
  RelayPlace,
  RequestStatus,
  Target,
  TunnelFailure,
  TunnelSocket,
  TunnelSocketOptions,
  UdpTarget,
} from '@underpass/forward';
import type { DropReason, Peer, PeerStats } from '@underpass/protocol';
import type {
  DatagramTap,
  Log,
  MessageWatch,
  SocketKind,
  SuiteName,
  TransportTuning,
} from '@underpass/runtime';
import type { NameLookup } from './relay-address.js';

export interface ClientOptions extends TransportTuning {
  /** The host is a name or an IP literal without brackets. A name is looked up at the start, and again when answers
   *  stop. */
  readonly relay: { readonly host: string; readonly port: number };
  readonly relayPublicKey: Uint8Array;
  /** 32 bytes, like the private key. Both are copied before `startClient` resolves, so the caller can wipe its own. */
  readonly presharedKey?: Uint8Array;
  readonly privateKey: Uint8Array;
  readonly forwards: readonly Forward[];
  /** 0, the default, turns it off. */
  readonly persistentKeepaliveMs?: number;
  /** Whether `startClient` fails if the name does not exist. By default the lookup is repeated until it does. */
  readonly refuseUnknownName?: boolean;
  /** How long a local connection waits for a relay that was not reached yet, before it is reset (spec outage 8). 0
   *  waits forever; the default is 30 s. */
  readonly contactLimitMs?: number;
  /** Resolves a name to IP literals. Rejects with a system error (`ENOTFOUND`, `EAI_AGAIN`) when there are none. The
   *  default is the system's resolver. */
  readonly lookUp?: NameLookup;
  readonly log: Log;
  /** The default is the fastest suite that works on this machine. */
  readonly suite?: SuiteName | undefined;
  /** By default the native socket where it is possible. */
  readonly socket?: SocketKind | undefined;
  /** Receives lines in Wireshark's WireGuard key log format. Off unless set. */
  readonly keyLog?: (line: string) => void;
  /** Sees each datagram that is received or sent. */
  readonly tap?: DatagramTap | undefined;
  /** Sees transport messages while they are open. */
  readonly watch?: MessageWatch | undefined;
  readonly onEvent?: (event: ClientEvent) => void;
  /** Called with a bug of ours, after which the client is unusable. By default the error is thrown where nothing
   *  catches it. */
  readonly onFatal?: (error: unknown) => void;
}

/** Why the relay cannot be reached, as far as this machine knows:
 *  - unresolved: the relay's name has no address yet
 *  - cannot-send: this system refuses to send there
 *  - unreachable: a router on the path says that it has no route
 *  - not-listening: the relay's machine says that nothing listens on the port
 *
 *  The last two rely on ICMP messages, which can be forged. They are for people to read, never for decisions. */
export interface ContactProblem {
  readonly kind: 'unresolved' | 'cannot-send' | 'unreachable' | 'not-listening';
  /** The host and port of the relay. The host is the name while it has no address. */
  readonly host: string;
  readonly port: number;
  /** The name of the system's error, for example ENETUNREACH. */
  readonly code: string;
}

/** Why a client lost its connection:
 *  - `relay-restarted`: another run of the relay answers
 *  - `relay-stopped`: the relay closed the connection because it stops
 *  - `removed`: the relay no longer knows this client
 *  - `superseded`: another client with the same key connected
 *  - `error-at-relay`, `error`: one side closed the connection because of an error of the other */
export type DisconnectCause =
  | 'relay-restarted'
  | 'relay-stopped'
  | 'removed'
  | 'superseded'
  | 'error-at-relay'
  | 'error';

export type ClientEvent =
  /** Why the relay cannot be reached. Sent when the cause changes. */
  | { readonly type: 'contact-problem'; readonly problem: ContactProblem }
  /** An answer has been due for `silentMs` and nothing was heard. Repeated every few minutes. */
  | {
      readonly type: 'no-answer';
      readonly relay: { readonly host: string; readonly port: number };
      readonly silentMs: number;
      readonly waitingConnections: number;
      readonly problem: ContactProblem | undefined;
    }
  /** The relay was not reached in time, so the local connection was reset. */
  | { readonly type: 'given-up'; readonly id: number; readonly target: Target; readonly waitedMs: number }
  /** First contact, or contact with a relay that was restarted. */
  | { readonly type: 'connected'; readonly handshakeRttMs: number | undefined }
  /** The connection ended with all its streams. The next stream starts another. */
  | {
      readonly type: 'disconnected';
      readonly cause: DisconnectCause;
      /** The reason given by the side that ended it. */
      readonly reason: string;
      /** How many tunnelled connections ended with it. */
      readonly lostStreams: number;
    }
  /** An answer of the relay has been due for `silentMs`, so streams wait. */
  | { readonly type: 'waiting'; readonly silentMs: number }
  | { readonly type: 'resumed'; readonly silentMs: number }
  /** Datagrams of `datagramBytes` of UDP payload reach the relay only in fragments (spec mtu 3.6). */
  | { readonly type: 'path-fragments'; readonly datagramBytes: number }
  /** A local program connected. `id` identifies the stream until its `stream-closed`. */
  | {
      readonly type: 'stream-opened';
      readonly id: number;
      readonly target: Target;
      /** The local program's address, for display. */
      readonly from: string;
    }
  /** A program asked a dynamic forward for something that it does not serve. Its connection was closed.
   *  `reason` says what it asked for. */
  | { readonly type: 'proxy-refused'; readonly from: string; readonly reason: string }
  /** The relay refused the target or could not reach it, so the local connection was reset. */
  | {
      readonly type: 'refused';
      readonly id: number;
      readonly target: Target;
      readonly status: RequestStatus;
      /** What happened and what to do about it, in one line. */
      readonly advice: string;
    }
  /** A message to a UDP target is larger than the path to the relay carries, so it was dropped. One event for each
   *  flow. */
  | {
      readonly type: 'message-too-large';
      readonly id: number;
      readonly target: Target;
      readonly bytes: number;
      readonly maxBytes: number;
    }
  | {
      readonly type: 'stream-closed';
      readonly id: number;
      readonly target: Target;
      /** Bytes from the local program to the target. */
      readonly bytesSent: number;
      readonly bytesReceived: number;
      /** False when a side was reset, the target was refused or the connection was lost. */
      readonly clean: boolean;
    }
  /** The relay listens for a reverse forward: `place` has the actual port. `forward` is its text. */
  | {
      readonly type: 'reverse-listening';
      readonly forward: string;
      readonly place: RelayPlace;
      readonly target: Target;
    }
  /** The relay does not listen for a reverse forward, or no longer. It is asked again after `retryMs`, and that is
   *  reported when the answer is another one. */
  | {
      readonly type: 'reverse-refused';
      readonly forward: string;
      readonly place: RelayPlace;
      readonly status: RequestStatus;
      readonly advice: string;
      readonly retryMs: number;
    }
  /** Somebody connected to the relay's port of a reverse forward, and was connected to its target. */
  | ({ readonly type: 'visitor-opened' } & VisitorAbout)
  /** A visitor was reset, because the target could not be reached. */
  | ({
      readonly type: 'visitor-refused';
      readonly status: RequestStatus;
      readonly advice: string;
    } & VisitorAbout)
  | ({
      readonly type: 'visitor-closed';
      /** Bytes from the target to the visitor. */
      readonly bytesSent: number;
      readonly bytesReceived: number;
      readonly clean: boolean;
    } & VisitorAbout);

interface VisitorAbout {
  readonly id: number;
  /** The text of the forward. */
  readonly forward: string;
  readonly target: Target;
  /** The visitor's address as the relay saw it, for display. */
  readonly from: string;
}

/** A forward and the addresses on which it listens. Those of a reverse forward are the relay's, and there are none while
 *  the relay does not listen. */
export interface BoundForward {
  readonly spec: Forward;
  /** With the actual port if port 0 was requested. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
  /** The path of a unix socket, which has no addresses. */
  readonly path?: string | undefined;
}

export interface ClientStatus {
  readonly relay: PeerStats;
  readonly suite: string;
  readonly socket: SocketKind;
  /** The system cuts batches into datagrams ... */
  readonly segments: boolean;
  /** ... and joins arriving datagrams, so that one system call carries many. */
  readonly coalesces: boolean;
  readonly drops: Readonly<Record<DropReason, number>>;
  /** Datagrams that the system refused to send, counted by the name of its error. */
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly forwards: readonly BoundForward[];
  /** Local connections, including those for which no target is known yet, and visitors of reverse forwards. */
  readonly openStreams: number;
  readonly streams: readonly StreamStatus[];
}

/** A local connection for which a target was asked. */
export interface StreamStatus {
  /** As in the events. */
  readonly id: number;
  readonly target: Target;
  /** Where it comes from, for display. */
  readonly from: string;
  /** Monotonic milliseconds (`monotonicMs`). */
  readonly openedAt: number;
  /** The id of the stream that carries it now; undefined while it waits for one. */
  readonly streamId: number | undefined;
}

/** Serves the visitors of a reverse forward whose target is `THIS_PROGRAM`. */
export interface VisitorService {
  /** Called with a connection that is open and may be written to. What it throws is the program's own failure. */
  readonly serve: (visitor: TunnelSocket) => void;
  /** As in `TunnelSocketOptions`. */
  readonly allowHalfOpen?: boolean;
}

/** As a string, `host:port` (IPv6 in brackets) or `unix:/path`. */
export type DialTarget = Target | string;

export interface Client {
  /** The relay as a peer of the endpoint, for tools that show the inside of a tunnel. Read it only. */
  readonly peer: Peer;
  readonly forwards: readonly BoundForward[];
  /** Starts another forward.
   *  @param service  for a reverse forward to `THIS_PROGRAM`
   *  @throws UnderpassError when it cannot start, for example because the port is in use */
  addForward(forward: Forward, service?: VisitorService): Promise<BoundForward>;
  /** Ends a forward. Its connections go on.
   *  @returns false when there is no forward of that kind and text */
  removeForward(forward: Forward): Promise<boolean>;
  /** Opens a connection to a target without a local port. The socket can be written to at once. It emits `connect` when
   *  the relay has reached the target, and a `TunnelError` when that failed.
   *  @throws UnderpassError when a string is not a target, and for a UDP target */
  dial(target: DialTarget, options?: TunnelSocketOptions): TunnelSocket;
  /** Asks the relay for a flow to a UDP target, and ends it. `opened` says that the rules permit it and that its name was
   *  found, and nothing about the target itself. Never rejects. */
  tryFlow(target: UdpTarget): Promise<'opened' | TunnelFailure>;
  /** Measures the path with a probe (spec probe). Never rejects.
   *  @param signal  gives it up */
  probe(options: ProbeOptions, signal?: AbortSignal): Promise<ProbeOutcome>;
  /** Starts a handshake now, without waiting for the first stream. */
  connect(): void;
  /** Resolves at the next `connected` event, or at once if the client is connected. Rejects when the client is closed
   *  first. */
  connected(): Promise<void>;
  status(): ClientStatus;
  /** Closes the listeners, sends CLOSE to the relay and ends all streams, within 5 s. Never rejects. */
  close(): Promise<void>;
}
