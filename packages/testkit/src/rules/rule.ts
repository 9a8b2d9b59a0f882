/** The interface of rules, which check single sentences of the specification during a simulation. */
import type { CryptoSuite, Peer, PeerStats, TransportConfig } from '@underpass/protocol';
import type { ObservedProcess, RuleWatch } from '../observer/observer.js';
import type { Scenario } from '../scenario.js';
import type { NodeName } from '../simulation/world.js';
import type { FlightModel } from './flight-model.js';
import type { PathModel } from './path-model.js';

/** The secrets of all processes, with which a rule reads what they send. */
export interface Secrets {
  readonly suite: CryptoSuite;
  keysOf(node: NodeName): { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array };
  /** Zeros if the client has none. */
  presharedKeyOf(client: NodeName): Uint8Array;
  /** What the node's wall clock shows. */
  unixTimeMs(node: NodeName): number;
}

/** A rule's view of the run, besides what it observes. */
export interface Stage {
  readonly scenario: Scenario;
  readonly secrets: Secrets;
  now(): number;
  /** When a datagram between this client and the relay was last lost, late, corrupted or duplicated, or one of the two
   *  was frozen. Infinite if that happens all the time. */
  troubledAt(client: NodeName): number;
  /** The process's statistics for a peer, or undefined if it does not have that peer. */
  stats(process: ObservedProcess, peer: NodeName): PeerStats | undefined;
  /** The inside of a peer. It looks at every stream, so ask rarely. */
  view(process: ObservedProcess, peer: NodeName): Peer['view'] | undefined;
  /** How many bytes of that stream the application has read in the present connection. */
  readBytes(process: ObservedProcess, peer: NodeName, streamId: number): number | undefined;
  /** How many streams the application has open in the present connection: those that have not ended for it. */
  liveStreams(process: ObservedProcess, peer: NodeName): number | undefined;
  /** The peer's path as the process should see it. */
  path(process: ObservedProcess, peer: NodeName): PathModel;
  /** What the process has in flight to the peer: before the packet that it sends now, and after the ACK that arrives
   *  now. */
  flight(process: ObservedProcess, peer: NodeName): FlightModel;
  transport(process: ObservedProcess): TransportConfig;
  /** 0 means off. */
  keepaliveMs(process: ObservedProcess): number;
  /** Whether the process has been frozen at any time since then. */
  wasFrozen(process: ObservedProcess, since: number): boolean;
  /** Whether the connection was closed, broken or removed on purpose, so that no answer needs to arrive. */
  wasEnded(process: ObservedProcess, peer: NodeName): boolean;
  report(violation: string): void;
}

export interface Rule {
  readonly name: string;
  /** The sentences of the specification that it enforces. */
  readonly holds: string;
  readonly watch: (stage: Stage) => RuleWatch;
}

/** How late a program of this scenario may be for a deadline, because of its timer and its turn. */
export function tardinessMs({ timing }: Scenario): number {
  return 2 * (timing.timerGrainMs + timing.turnDelayMs) + 1;
}
