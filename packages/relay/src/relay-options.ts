/** The relay's interface: its options, events and status, as the command line, the demo and tests use them. */
import type {
  AllowRule,
  ListenAddress,
  ListenRule,
  MaxRate,
  RequestStatus,
  Target,
} from '@underpass/forward';
import type { Address, DropReason, Peer, PeerStats } from '@underpass/protocol';
import type {
  DatagramTap,
  Log,
  MessageWatch,
  SocketKind,
  SuiteName,
  TransportTuning,
} from '@underpass/runtime';

export interface RelayPeerOptions {
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** 32 bytes; copied, so the caller can wipe its own. */
  readonly presharedKey?: Uint8Array;
  /** The peer may reach these targets and no others. */
  readonly allow: readonly AllowRule[];
  /** Where the peer may have the relay listen. By default nowhere. */
  readonly allowListen?: readonly ListenRule[];
  /** What its connections may carry in each direction. By default as much as the path. */
  readonly maxRate?: MaxRate;
}

/** An invite, as the relay's endpoint knows it (spec enrolment 2). */
export interface RelayInviteOptions {
  /** The name of the peer that will enrol with it. */
  readonly name: string;
  /** The public half of the one-time key in the link. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; copied, so the caller can wipe its own. */
  readonly presharedKey: Uint8Array;
}

export type EnrolOutcome =
  /** The client is a peer now, or was already with this key. The preshared key is wiped by the relay. */
  | { readonly status: 'opened'; readonly peer: RelayPeerOptions & { readonly presharedKey: Uint8Array } }
  | { readonly status: Exclude<RequestStatus, 'opened'> };

export interface RelayOptions extends TransportTuning {
  /** Without a host, every interface. Port 0 lets the system choose. */
  readonly listen: { readonly host?: string; readonly port: number };
  /** 32 bytes; copied, so the caller can wipe its own. */
  readonly privateKey: Uint8Array;
  readonly peers: readonly RelayPeerOptions[];
  /** Open invites, and those whose holders must learn that they are used or expired. */
  readonly invites?: readonly RelayInviteOptions[];
  /** Decides whether the holder of an invite may enrol with this key, and keeps the decision before it returns, because
   *  the client is told at once. By default nobody may. */
  readonly enrol?: (invite: string, publicKey: Uint8Array) => EnrolOutcome;
  /** What clients that enrol call this relay. */
  readonly name?: () => string | undefined;
  readonly log: Log;
  /** The paths of this program's own sockets, such as its control socket. No rule can permit a peer to reach them. */
  readonly ownSockets?: () => readonly string[];
  /** How long the streams of an absent peer are kept (spec outage 4); the default is 24 h. */
  readonly maxOutageMs?: number;
  /** When a connection in which nothing moves is reset; by default only a half-closed one is (spec forwarding 4.7). */
  readonly idleTimeoutMs?: number;
  /** The default is the system's resolver. It needs UV_THREADPOOL_SIZE=64, because libuv uses at most half of its
   *  threads for names, which is two by default: slow names of one peer would hold up those of others. */
  readonly resolve?: NameResolver;
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
  readonly onEvent?: (event: RelayEvent) => void;
  /** Called with a bug of ours, after which the relay is unusable. By default the error is thrown where nothing catches
   *  it. */
  readonly onFatal?: (error: unknown) => void;
}

/** Resolves a name to IP literals. Rejects with a system error (`ENOTFOUND`, `EAI_AGAIN`) when there are none. */
export type NameResolver = (name: string) => Promise<readonly string[]>;

/** `peer` is the peer's name. */
export type RelayEvent =
  | { readonly type: 'peer-connected'; readonly peer: string; readonly address: Address | undefined }
  | {
      readonly type: 'peer-disconnected';
      readonly peer: string;
      readonly reason: string;
      /** How many tunnelled connections ended with it. */
      readonly lostStreams: number;
    }
  /** The peer's new address is validated. At most one event a second. */
  | { readonly type: 'moved'; readonly peer: string; readonly from: Address; readonly to: Address }
  /** Two clients use the peer's key and end each other's connections. At most one event in 10 s. */
  | { readonly type: 'key-shared'; readonly peer: string; readonly addresses: readonly Address[] }
  /** An answer of the peer has been due for `silentMs`, so streams wait. */
  | { readonly type: 'waiting'; readonly peer: string; readonly silentMs: number }
  | { readonly type: 'resumed'; readonly peer: string; readonly silentMs: number }
  /** The system refused to send to that address. At most one event in ten minutes for each kind of error. `code` is the
   *  name of the system's error, for example ENETUNREACH. */
  | { readonly type: 'cannot-send'; readonly address: Address; readonly code: string }
  /** Datagrams of `datagramBytes` of UDP payload reach the peer only in fragments (spec mtu 3.6). */
  | { readonly type: 'path-fragments'; readonly peer: string; readonly datagramBytes: number }
  /** The owner of a private key whose public half belongs to no peer tried to connect. At most one event a second. */
  | { readonly type: 'unknown-key'; readonly publicKey: Uint8Array; readonly address: Address }
  /** A client enrolled with the invite `peer`, and is the peer of that name from now on. */
  | {
      readonly type: 'peer-enrolled';
      readonly peer: string;
      readonly publicKey: Uint8Array;
      readonly address: Address | undefined;
    }
  /** Somebody used the link of `peer` after a client with another key had enrolled with it. */
  | {
      readonly type: 'invite-reused';
      readonly peer: string;
      readonly publicKey: Uint8Array;
      readonly address: Address | undefined;
    }
  /** A request to enrol was refused for another reason. */
  | {
      readonly type: 'enrol-refused';
      readonly peer: string;
      readonly publicKey: Uint8Array;
      readonly address: Address | undefined;
      readonly status: RequestStatus;
      readonly advice: string;
    }
  /** The peer's handshakes are refused because its clock is behind an earlier value of itself. Both are Unix
   *  milliseconds. */
  | {
      readonly type: 'clock-behind';
      readonly peer: string;
      readonly clockMs: number;
      readonly earlierClockMs: number;
    }
  /** A target was connected. `id` identifies the stream of this peer until its `stream-closed`. */
  | {
      readonly type: 'stream-opened';
      readonly peer: string;
      readonly id: number;
      readonly target: Target;
      /** The resolved address to which the relay connected. */
      readonly address: string;
    }
  | {
      readonly type: 'refused';
      readonly peer: string;
      readonly id: number;
      /** Undefined when the request could not be read. */
      readonly target: Target | undefined;
      readonly status: RequestStatus;
      /** What happened, and which rule would allow it, in one line. */
      readonly advice: string;
    }
  /** A message of a UDP target is larger than the path to the peer carries, so it was dropped. One event for each
   *  flow. */
  | {
      readonly type: 'message-too-large';
      readonly peer: string;
      readonly id: number;
      readonly target: Target;
      readonly bytes: number;
      readonly maxBytes: number;
    }
  /** The peer's new rules do not permit a stream that is open, so it is being reset. `stream-closed` follows. */
  | {
      readonly type: 'stream-forbidden';
      readonly peer: string;
      readonly id: number;
      readonly target: Target;
      readonly advice: string;
    }
  | {
      readonly type: 'stream-closed';
      readonly peer: string;
      readonly id: number;
      readonly target: Target;
      /** Bytes from the target to the peer. */
      readonly bytesSent: number;
      readonly bytesReceived: number;
      /** False when a side was reset or the connection was lost. */
      readonly clean: boolean;
      /** It was reset because nothing had moved in it for so long. */
      readonly idleMs?: number;
    }
  /** The relay listens for the peer. `listener` is where, with the actual port: `localhost:8080`. */
  | {
      readonly type: 'listener-opened';
      readonly peer: string;
      readonly listener: string;
      readonly addresses: readonly ListenAddress[];
    }
  | {
      readonly type: 'listen-refused';
      readonly peer: string;
      /** As the peer asked for it. */
      readonly listener: string;
      readonly status: RequestStatus;
      /** What happened, and which rule would allow it, in one line. */
      readonly advice: string;
    }
  | {
      readonly type: 'listener-closed';
      readonly peer: string;
      readonly listener: string;
      readonly reason: string;
    }
  /** Somebody connected to a listener, and the client connected it to its target. `id` identifies the stream of this
   *  peer until its `visitor-closed`. */
  | {
      readonly type: 'visitor-opened';
      readonly peer: string;
      readonly id: number;
      readonly listener: string;
      readonly from: ListenAddress;
    }
  /** A visitor was reset. */
  | {
      readonly type: 'visitor-refused';
      readonly peer: string;
      /** Undefined when it did not get a stream. */
      readonly id: number | undefined;
      readonly listener: string;
      readonly from: ListenAddress;
      readonly status: RequestStatus;
      readonly advice: string;
    }
  | {
      readonly type: 'visitor-closed';
      readonly peer: string;
      readonly id: number;
      readonly listener: string;
      readonly from: ListenAddress;
      /** Bytes from the visitor to the peer. */
      readonly bytesSent: number;
      readonly bytesReceived: number;
      /** False when a side was reset or the connection was lost. */
      readonly clean: boolean;
      /** It was reset because nothing had moved in it for so long. */
      readonly idleMs?: number;
    };

/** A target that is connected for a peer. */
export interface RelayStream {
  /** As in the event `stream-opened`. */
  readonly id: number;
  readonly target: Target;
  /** The resolved address to which the relay connected. */
  readonly address: string;
  /** Monotonic milliseconds (`monotonicMs`). */
  readonly openedAt: number;
}

/** A port of the relay that leads to a peer. */
export interface RelayListener {
  /** Where the relay listens, with the actual port: `localhost:8080`. */
  readonly listener: string;
  readonly addresses: readonly ListenAddress[];
  /** How many connections lead through it now, including those that wait. */
  readonly visitors: number;
}

export interface RelayStatus {
  readonly address: Address;
  readonly suite: string;
  readonly socket: SocketKind;
  /** The system cuts batches into datagrams ... */
  readonly segments: boolean;
  /** ... and joins arriving datagrams, so that one system call carries many. */
  readonly coalesces: boolean;
  readonly drops: Readonly<Record<DropReason, number>>;
  /** Datagrams that the system refused to send, counted by the name of its error. */
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly peers: readonly {
    readonly name: string;
    readonly publicKey: Uint8Array;
    readonly allow: readonly string[];
    readonly allowListen: readonly string[];
    readonly stats: PeerStats;
    /** In the order in which they were opened; at most `MAX_CONNECTIONS` of a peer. */
    readonly streams: readonly RelayStream[];
    readonly listeners: readonly RelayListener[];
  }[];
}

/** A peer of the config, for tools that show the inside of a tunnel. */
export interface RelayMember {
  readonly name: string;
  /** Read it only. */
  readonly peer: Peer;
  /** In the order in which they were opened. */
  readonly streams: readonly RelayStream[];
}

export interface Relay {
  /** The address on which it listens, with the actual port. */
  readonly address: Address;
  /** The peers of the config, in its order. */
  readonly members: Iterable<RelayMember>;
  status(): RelayStatus;
  /** Replaces the lists of peers and of invites (SIGHUP). A peer that stays keeps the streams that its
   *  new rules permit; others are reset. A listener that no rule permits any more is closed with its visitors. A peer
   *  that is gone, or whose preshared key changed, is disconnected.
   *  @throws UnderpassError when two peers share a name or a key; nothing has changed then */
  setPeers(peers: readonly RelayPeerOptions[], invites?: readonly RelayInviteOptions[]): void;
  /** Sends CLOSE to every peer and ends all streams, within 5 s. Never rejects. */
  close(): Promise<void>;
}
