/** What `import … from 'underpass/relay'` offers. Shipped as declarations, like api.ts.
 *  @module underpass/relay */
import type { EventEmitter } from 'node:events';
import type { Key, Log } from './api.js';

/** Starts a relay in this process.
 *  @throws UnderpassError when it cannot listen, or an option is invalid */
export declare function createRelay(options: RelayOptions): Promise<Relay>;

export interface RelayOptions {
  /** `[host:]port` of UDP. Without a host every interface, and port 0 lets the system choose. */
  readonly listen: string;
  readonly privateKey: Key;
  readonly peers: readonly RelayPeer[];
  /** What clients that are connected lose when they are away for longer. The default is 24 h. */
  readonly maxOutageMs?: number;
  /** When a connection in which nothing moves is reset. By default only a half-closed one is, after 30 minutes. */
  readonly idleTimeoutMs?: number;
  /** Resolves the names of targets to IP addresses. The default is the system's resolver, whose errors have a `code` such
   *  as `ENOTFOUND`. What it answers is judged by the rules again. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** Keeps a peer that has enrolled with an invite: put it, with its keys, wherever `peers` comes from. It is called before
   *  the client is told, so when it throws, nobody has enrolled and the link stays good. Needed for `invite`. */
  readonly onEnrol?: (peer: EnrolledPeer) => void;
  /** Closes the relay. */
  readonly signal?: AbortSignal;
  /** Receives what the relay logs; a pino logger will do. By default nothing is logged. */
  readonly log?: Log;
}

export interface RelayPeer {
  /** For events and status. */
  readonly name: string;
  readonly publicKey: Key;
  readonly presharedKey?: Key;
  /** What the peer may reach, for example `localhost:80`, `*.example.com:443` or `10.0.0.0/8:*`. Nothing else. */
  readonly allow: readonly string[];
  /** Where the peer may have the relay listen, for example `8080`. By default nowhere. */
  readonly allowListen?: readonly string[];
  /** What its connections may carry in each direction, for example `10 MB/s`. By default as much as the path. */
  readonly maxRate?: string;
}

/** A peer that enrolled. Both keys are base64 text. */
export interface EnrolledPeer extends RelayPeer {
  readonly publicKey: string;
  readonly presharedKey: string;
}

export interface InviteOptions extends Pick<RelayPeer, 'allow' | 'allowListen' | 'maxRate'> {
  /** `host:port` as the client reaches the relay. The default is `address`, if that names one interface. */
  readonly endpoint?: string;
  /** From a minute to 30 days. The default is 24 h. */
  readonly expiresInMs?: number;
}

export interface Invite {
  /** For `underpass client LINK`, once. Whoever sees it before can use it. */
  readonly link: string;
  readonly expires: Date;
  /** Ends the invite, if nobody has enrolled with it. */
  revoke(): void;
}

export interface Relay extends EventEmitter<RelayEvents>, AsyncDisposable {
  /** Where it listens, as `host:port` with the actual port. */
  readonly address: string;
  /** Base64 text, for clients. */
  readonly publicKey: string;
  /** Makes a link with which one client can enrol as the peer `name`. It is good as long as this relay runs.
   *  @throws UnderpassError when an option is invalid, the name is taken, or there are 256 invites */
  invite(name: string, options: InviteOptions): Invite;
  /** Replaces the list of peers. Connections that the new rules do not permit are reset. Open invites stay.
   *  @throws UnderpassError when an entry is invalid; nothing has changed then */
  setPeers(peers: readonly RelayPeer[]): void;
  status(): RelayStatus;
  /** Ends all connections and lets the process exit, within 5 s. Never rejects. */
  close(): Promise<void>;
}

export interface RelayStatus {
  readonly address: string;
  readonly peers: readonly {
    readonly name: string;
    readonly connected: boolean;
    /** Where the peer is now. */
    readonly address: string | undefined;
    readonly rttMs: number | undefined;
    readonly connections: readonly { readonly id: number; readonly target: string }[];
    /** Where the relay listens for the peer. */
    readonly listeners: readonly string[];
  }[];
}

export type RelayEvents = {
  /** A client has enrolled, and `onEnrol` has kept it. */
  'peer-enrolled': [event: { readonly peer: string }];
  /** Somebody used a link with which another client had enrolled, and was refused. */
  'invite-reused': [event: { readonly peer: string }];
  'peer-connected': [event: { readonly peer: string }];
  'peer-disconnected': [event: { readonly peer: string; readonly reason: string }];
  /** A target was connected for a peer. */
  'connection-opened': [event: { readonly peer: string; readonly id: number; readonly target: string }];
  /** `clean` is false when a side was reset or the connection was lost. */
  'connection-closed': [
    event: { readonly peer: string; readonly id: number; readonly target: string; readonly clean: boolean },
  ];
  /** `advice` says what happened, and which rule would allow it. */
  refused: [event: { readonly peer: string; readonly advice: string }];
  close: [];
};
