/** What a relay is given and what it gives back: the face that the CLI, the demo and tests use. */
import type { AllowRule, RequestStatus, Target } from '@underpass/forward';
import type { Address, CryptoSuite, DropReason, PeerStats } from '@underpass/protocol';
import type { Log, TransportTuning } from '@underpass/runtime';

export interface RelayPeerOptions {
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** 32 bytes; copied, so that the caller can wipe its own. */
  readonly presharedKey?: Uint8Array;
  /** Nothing that is not listed is allowed. */
  readonly allow: readonly AllowRule[];
}

export interface RelayOptions extends TransportTuning {
  /** Without a host: every interface. Port 0: the system chooses. */
  readonly listen: { readonly host?: string; readonly port: number };
  /** 32 bytes; copied, so that the caller can wipe its own. */
  readonly privateKey: Uint8Array;
  readonly peers: readonly RelayPeerOptions[];
  readonly log: Log;
  /** Streams of a peer that stays away for so long are given up (spec outage 4); default: 24 h. */
  readonly maxOutageMs?: number;
  /** The system's resolver unless given. It needs UV_THREADPOOL_SIZE=64, or slow names of one peer hold up those of
   *  others: libuv lets names have half of its threads, by default two. */
  readonly resolve?: NameResolver;
  /** The fastest that this machine has, unless given. */
  readonly suite?: CryptoSuite;
  /** Receives lines in Wireshark's WireGuard key log format. Off unless set. */
  readonly keyLog?: (line: string) => void;
  readonly onEvent?: (event: RelayEvent) => void;
  /** Our own bug surfaced; the relay is of no use any more. Default: thrown where nothing catches it. */
  readonly onFatal?: (error: unknown) => void;
}

/** Gives IP literals for a name; rejects with a system error (`ENOTFOUND`, `EAI_AGAIN`) when there are none. */
export type NameResolver = (name: string) => Promise<readonly string[]>;

/** `peer` is the peer's name. */
export type RelayEvent =
  | { readonly type: 'peer-connected'; readonly peer: string; readonly address: Address | undefined }
  | {
      readonly type: 'peer-disconnected';
      readonly peer: string;
      readonly reason: string;
      /** Connections through the tunnel that ended with it. */
      readonly lostStreams: number;
    }
  /** The peer's new address is proven. At most one event a second. */
  | { readonly type: 'moved'; readonly peer: string; readonly from: Address; readonly to: Address }
  /** Two clients use the peer's key and end each other's connections. At most one event in 10 s. */
  | { readonly type: 'key-shared'; readonly peer: string; readonly addresses: readonly Address[] }
  /** An answer of the peer has been due for `silentMs`: streams wait. */
  | { readonly type: 'waiting'; readonly peer: string; readonly silentMs: number }
  | { readonly type: 'resumed'; readonly peer: string; readonly silentMs: number }
  /** The system would not send to that address; told once in ten minutes for each kind of error.
   *  `code` is the system's error by its name, for example ENETUNREACH. */
  | { readonly type: 'cannot-send'; readonly address: Address; readonly code: string }
  /** Full datagrams, of so many bytes of UDP payload, reach the peer only in fragments (spec mtu 3.6). */
  | { readonly type: 'path-fragments'; readonly peer: string; readonly datagramBytes: number }
  /** Somebody who holds the private half of a key that no peer has wants to connect. At most one event a second. */
  | { readonly type: 'unknown-key'; readonly publicKey: Uint8Array; readonly address: Address }
  /** The peer's handshakes are refused: its clock is behind what it was at an earlier one. Unix milliseconds. */
  | {
      readonly type: 'clock-behind';
      readonly peer: string;
      readonly clockMs: number;
      readonly earlierClockMs: number;
    }
  /** A target was connected. `id` names the stream of this peer until its `stream-closed`. */
  | {
      readonly type: 'stream-opened';
      readonly peer: string;
      readonly id: number;
      readonly target: Target;
      /** The resolved address that was connected to. */
      readonly address: string;
    }
  | {
      readonly type: 'refused';
      readonly peer: string;
      readonly id: number;
      /** Absent when the request could not be read. */
      readonly target: Target | undefined;
      readonly status: RequestStatus;
      /** What happened, and which rule would allow it, one line. */
      readonly advice: string;
    }
  | {
      readonly type: 'stream-closed';
      readonly peer: string;
      readonly id: number;
      readonly target: Target;
      /** From the target to the peer. */
      readonly bytesSent: number;
      readonly bytesReceived: number;
      /** False when a side was reset or the connection lost. */
      readonly clean: boolean;
    };

export interface RelayStatus {
  readonly address: Address;
  readonly suite: string;
  readonly drops: Readonly<Record<DropReason, number>>;
  /** Datagrams that the system would not send, by its error's name. */
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly peers: readonly {
    readonly name: string;
    readonly publicKey: Uint8Array;
    readonly allow: readonly string[];
    readonly stats: PeerStats;
  }[];
}

export interface Relay {
  /** Where it listens, with the real port. */
  readonly address: Address;
  status(): RelayStatus;
  /** Replaces the list of peers (SIGHUP): who stays keeps every stream, and new rules hold for the next open; who is
   *  gone, or has another preshared key, is disconnected.
   *  @throws UnderpassError when two peers share a name or a key; then nothing changed */
  setPeers(peers: readonly RelayPeerOptions[]): void;
  /** Tells every peer and ends all streams; within 5 s. Never rejects. */
  close(): Promise<void>;
}
