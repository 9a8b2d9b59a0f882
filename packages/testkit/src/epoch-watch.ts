/** Tells the models of processes which epochs they state and accept, from what passes on the network. */
import type { ObservedProcess, RuleWatch } from './observer/observer.js';
import type { PeerLink } from './process-model.js';
import type { NodeName } from './simulation/world.js';

/** An application never sees an epoch, but two connections of the same two processes differ in nothing else. */
export function epochWatch(
  linkOf: (process: ObservedProcess, peer: NodeName) => PeerLink | undefined,
): RuleWatch {
  return {
    onSent({ by, towards, packet }) {
      if (towards !== undefined && packet?.hello !== undefined)
        linkOf(by, towards)?.noteStated(packet.hello.epoch);
    },
    onArrived({ by, sent, isFresh, dropped }) {
      if (isFresh && dropped === undefined && sent?.packet?.hello !== undefined)
        linkOf(by, sent.by.node)?.noteAccepted(sent.packet.hello.epoch);
    },
  };
}
