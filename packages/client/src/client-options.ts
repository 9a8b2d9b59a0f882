/** What a client is given and what it gives back: the face that the CLI, the demo and tests use. */
import type { LocalForward, RequestStatus, Target } from '@underpass/forward';
import type { CryptoSuite, DropReason, PeerStats } from '@underpass/protocol';
import type { Log, TransportTuning } from '@underpass/runtime';
import type { NameLookup } from './relay-address.js';

export interface ClientOptions extends TransportTuning {
  /** The host is a name or an IP literal without brackets. A name is looked up at the start and, while there is no
   *  answer, again. */
  readonly relay: { readonly host: string; readonly port: number };
  readonly relayPublicKey: Uint8Array;
  /** 32 bytes, both: copied before `startClient` resolves, so that the caller can wipe its own. */
  readonly presharedKey?: Uint8Array;
  readonly privateKey: Uint8Array;
  readonly forwards: readonly LocalForward[];
  /** 0 or absent: off. */
  readonly persistentKeepaliveMs?: number;
  /** Is a name that does not exist an error of `startClient`? Default: it is looked up until it does. */
  readonly refuseUnknownName?: boolean;
  /** A program's connection waits at most so long for a relay that was not reached yet, and is reset then (spec outage
   *  8); 0: for ever. Default: 30 s. */
  readonly contactLimitMs?: number;
  /** The system's resolver unless given. Gives IP literals for a name; rejects with a system error (`ENOTFOUND`,
   *  `EAI_AGAIN`). */
  readonly lookUp?: NameLookup;
  readonly log: Log;
  /** The fastest that this machine has, unless given. */
  readonly suite?: CryptoSuite;
  /** Receives lines in Wireshark's WireGuard key log format. Off unless set. */
  readonly keyLog?: (line: string) => void;
  readonly onEvent?: (event: ClientEvent) => void;
  /** Our own bug surfaced; the client is of no use any more. Default: thrown where nothing catches it. */
  readonly onFatal?: (error: unknown) => void;
}

/** Why there is no contact, as far as this machine knows:
 *  - unresolved: the relay's name has no address yet
 *  - cannot-send: the system does not send there
 *  - unreachable: a router on the way says that it cannot get there
 *  - not-listening: the relay's machine says that nothing listens on the port
 *  The last two are ICMP messages, which can be forged: they are for people to read. */
export interface ContactProblem {
  readonly kind: 'unresolved' | 'cannot-send' | 'unreachable' | 'not-listening';
  /** The relay's host and port; the name while it has no address. */
  readonly host: string;
  readonly port: number;
  /** The system's error by its name, for example ENETUNREACH. */
  readonly code: string;
}

/** Why a client lost its connection:
 *  - `relay-restarted`: another run of the relay answers
 *  - `relay-stopped`: it said goodbye
 *  - `removed`: it no longer knows this client
 *  - `superseded`: another client with the same key has connected
 *  - `error-at-relay`, `error`: one side found fault with the other */
export type DisconnectCause =
  | 'relay-restarted'
  | 'relay-stopped'
  | 'removed'
  | 'superseded'
  | 'error-at-relay'
  | 'error';

export type ClientEvent =
  /** Why the relay cannot be reached; told when it is another reason than before. */
  | { readonly type: 'contact-problem'; readonly problem: ContactProblem }
  /** Nothing was heard for `silentMs`, though an answer is due; told again every few minutes. */
  | {
      readonly type: 'no-answer';
      readonly relay: { readonly host: string; readonly port: number };
      readonly silentMs: number;
      readonly waitingConnections: number;
      readonly problem: ContactProblem | undefined;
    }
  /** The relay was not reached within the limit: the local connection was reset. */
  | { readonly type: 'given-up'; readonly id: number; readonly target: Target; readonly waitedMs: number }
  /** First contact, or contact with a relay that was restarted. */
  | { readonly type: 'connected'; readonly handshakeRttMs: number | undefined }
  /** The connection and its streams are over; the next stream makes a new one. */
  | {
      readonly type: 'disconnected';
      readonly cause: DisconnectCause;
      /** In the words of the side that ended it. */
      readonly reason: string;
      /** Connections through the tunnel that ended with it. */
      readonly lostStreams: number;
    }
  /** An answer of the relay has been due for `silentMs`: streams wait. */
  | { readonly type: 'waiting'; readonly silentMs: number }
  | { readonly type: 'resumed'; readonly silentMs: number }
  /** Full datagrams, of so many bytes of UDP payload, reach the relay only in fragments (spec mtu 3.6). */
  | { readonly type: 'path-fragments'; readonly datagramBytes: number }
  /** A local program connected; `id` names the stream until its `stream-closed`. */
  | {
      readonly type: 'stream-opened';
      readonly id: number;
      readonly target: Target;
      /** The local program's address, for people. */
      readonly from: string;
    }
  /** The relay would not or could not open the target; the local connection was reset. */
  | {
      readonly type: 'refused';
      readonly id: number;
      readonly target: Target;
      readonly status: RequestStatus;
      /** What happened and what to do about it, one line. */
      readonly advice: string;
    }
  | {
      readonly type: 'stream-closed';
      readonly id: number;
      readonly target: Target;
      /** From the local program to the target. */
      readonly bytesSent: number;
      readonly bytesReceived: number;
      /** False when a side was reset, the target refused or the connection lost. */
      readonly clean: boolean;
    };

/** A forward that listens, and where. */
export interface BoundForward {
  readonly spec: LocalForward;
  /** With the real port where port 0 was asked for. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
}

export interface ClientStatus {
  readonly relay: PeerStats;
  readonly suite: string;
  readonly drops: Readonly<Record<DropReason, number>>;
  /** Datagrams that the system would not send, by its error's name. */
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly forwards: readonly BoundForward[];
  readonly openStreams: number;
}

export interface Client {
  readonly forwards: readonly BoundForward[];
  /** Starts the handshake now and not with the first stream. */
  connect(): void;
  /** Resolves at the next `connected` event, at once when connected already; rejects when the client is closed
   *  before. */
  connected(): Promise<void>;
  status(): ClientStatus;
  /** Closes listeners, tells the relay, ends all streams; within 5 s. Never rejects. */
  close(): Promise<void>;
}
