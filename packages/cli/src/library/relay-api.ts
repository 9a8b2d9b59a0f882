/** What `import … from 'underpass/relay'` offers. Shipped as declarations, like api.ts. */
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
}

export interface Relay extends EventEmitter<RelayEvents>, AsyncDisposable {
  /** Where it listens, as `host:port` with the actual port. */
  readonly address: string;
  /** Base64 text, for clients. */
  readonly publicKey: string;
  /** Replaces the list of peers. Connections that the new rules do not permit are reset.
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
