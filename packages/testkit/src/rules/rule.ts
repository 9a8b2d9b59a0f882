/** What every rule is: a name, the sentence of the specification that it holds the program to, and a watch over one
 *  run. */
import type { PeerStats, TransportConfig } from '@underpass/protocol';
import type { ObservedProcess, RuleWatch } from '../observer/observer.js';
import type { Scenario } from '../scenario.js';
import type { NodeName } from '../world.js';
import type { PathModel } from './path-model.js';

/** What a rule may ask. */
export interface Stage {
  readonly scenario: Scenario;
  now(): number;
  /** When something was last lost, late, spoilt or doubled between this client and the relay, or one of them stood
   *  still. Infinite when it is so all the time. */
  troubledAt(client: NodeName): number;
  /** What the process says of a peer now; undefined when it does not have it. */
  stats(process: ObservedProcess, peer: NodeName): PeerStats | undefined;
  /** Bytes of that stream which the application has read, in the present connection. */
  readBytes(process: ObservedProcess, peer: NodeName, streamId: number): number | undefined;
  /** Where the peer is, as the process must see it. */
  path(process: ObservedProcess, peer: NodeName): PathModel;
  transport(process: ObservedProcess): Partial<TransportConfig>;
  /** 0: off. */
  keepaliveMs(process: ObservedProcess): number;
  /** Whether the process stood still at some moment from then on. */
  wasFrozen(process: ObservedProcess, since: number): boolean;
  /** The connection was closed, broken or removed on purpose: then nobody need wait for an answer. */
  wasEnded(process: ObservedProcess, peer: NodeName): boolean;
  report(violation: string): void;
}

export interface Rule {
  readonly name: string;
  readonly holds: string;
  readonly watch: (stage: Stage) => RuleWatch;
}

/** The longest that a program of this scenario may be late for a moment: its timer and its turn. */
export function tardinessMs({ timing }: Scenario): number {
  return 2 * (timing.timerGrainMs + timing.turnDelayMs) + 1;
}
