/** The plan of a simulation: networks, processes and what their applications do. */
import type { TransportConfig } from '@underpass/protocol';
import type { MalformedKind } from './malformed-packets.js';
import type { TurnTiming } from './simulation/endpoint-driver.js';
import type { NetworkConditions, Side } from './simulation/network-conditions.js';
import type { NodeName } from './simulation/world.js';

/** The messages that one side sends on a stream (spec datagrams). They begin when it has the stream, and end with it. */
export interface MessagePlan {
  readonly count: number;
  /** Their lengths differ, up to this. */
  readonly maxBytes: number;
  /** How many are sent at once, and the time between two such bursts. */
  readonly burst: number;
  readonly pauseMs: number;
}

/** What one side does with a stream. Times start when it has the stream. */
export interface EndPlan {
  readonly sizeBytes: number;
  /** Each write is at most this long ... */
  readonly chunkBytes: number;
  /** ... and follows this long after the last. 0 writes as fast as the stream accepts. */
  readonly writePauseMs: number;
  /** Send FIN only after the other side's. */
  readonly finishAfterRead: boolean;
  /** Reading starts this late ... */
  readonly readDelayMs: number;
  /** ... and then takes this many pieces at a time, with this pause in between. 0 reads everything at once. */
  readonly readPieces: number;
  readonly readPauseMs: number;
  readonly resetAfterMs: number | undefined;
  /** The time from the FIN, which may still be under way. */
  readonly resetAfterFinishMs: number | undefined;
  readonly stopAfterMs: number | undefined;
  /** The code of the reset and the stop. */
  readonly code: number;
  readonly messages?: MessagePlan;
}

export interface StreamPlan {
  readonly openedBy: Side;
  readonly openAt: number;
  readonly opener: EndPlan;
  readonly answerer: EndPlan;
  /** Where the two directions start in the shared content. */
  readonly openerStart: number;
  readonly answererStart: number;
}

/** The process ends without CLOSE, and another one with the same key starts. */
export interface Restart {
  readonly node: NodeName;
  readonly at: number;
  readonly downMs: number;
}

/** The process stops, as when its machine sleeps: no timers fire and no datagrams are handled. */
export interface Freeze {
  readonly node: NodeName;
  readonly at: number;
  readonly forMs: number;
}

/** A machine's wall clock is set. */
export interface WallStep {
  readonly node: NodeName;
  readonly at: number;
  readonly byMs: number;
}

/** The process closes its connections and keeps running. Whoever wants to send then starts a new connection. */
export interface Close {
  readonly node: NodeName;
  readonly at: number;
}

/** A client malfunctions and seals a packet that no correct program sends. Its own connection ends, and no other. */
export interface Violation {
  readonly node: NodeName;
  readonly at: number;
  /** Absent for DEFAULT_MALFORMED_KIND. */
  readonly kind?: MalformedKind;
}

/** The relay removes a client while it is connected, and later adds it again. */
export interface Removal {
  readonly node: NodeName;
  readonly at: number;
  readonly backAfterMs: number;
}

/** A stranger who knows the relay's public key floods it with initiations, from its own address or from the
 *  clients'. */
export interface Flood {
  readonly at: number;
  readonly forMs: number;
  readonly perSecond: number;
  readonly isFromClients: boolean;
}

/** From a moment on, the system of a process refuses to send datagrams that are larger, and says so (spec mtu 4.4). */
export interface Refusal {
  readonly node: NodeName;
  readonly from: number;
  readonly aboveBytes: number;
}

/** A stream with everything it needs, which must therefore end in time. */
export interface Expectation {
  /** The index of the client's stream. */
  readonly stream: number;
  readonly withinMs: number;
  /** The index of an identical stream over the same connection at the same time: the two take turns and end
   *  together. */
  readonly besides?: number;
  /** The size of a full datagram that its sender has found by then (spec mtu 3). */
  readonly datagramBytes?: number;
}

/** One client, its path to the relay, and the streams between the two. */
export interface ClientPlan {
  readonly network: NetworkConditions;
  readonly transport: Partial<TransportConfig>;
  readonly hasPresharedKey: boolean;
  /** 0 turns it off. */
  readonly keepaliveMs: number;
  readonly streams: readonly StreamPlan[];
  readonly expectations: readonly Expectation[];
}

export interface Scenario {
  readonly timing: TurnTiming;
  readonly relayTransport: Partial<TransportConfig>;
  readonly clients: readonly ClientPlan[];
  readonly restarts: readonly Restart[];
  readonly close: Close | undefined;
  readonly violation: Violation | undefined;
  readonly removal: Removal | undefined;
  readonly freezes: readonly Freeze[];
  readonly wallSteps: readonly WallStep[];
  readonly floods: readonly Flood[];
  /** Absent for none. */
  readonly refusals?: readonly Refusal[];
  /** When the last planned action of the applications happens. */
  readonly plannedUntil: number;
}
