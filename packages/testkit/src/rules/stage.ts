/** Answers the questions of rules about a run, from its scenario, its networks and the statistics of its processes. */
import type { ObservedProcess } from '../observer/observer.js';
import type { PeerLink } from '../process-model.js';
import type { ClientPlan, Scenario } from '../scenario.js';
import type { SimulatedNetwork } from '../simulation/simulated-network.js';
import { clientName, type NodeName } from '../simulation/world.js';
import type { Paths } from './path-model.js';
import type { Stage } from './rule.js';

export interface StageOptions {
  readonly scenario: Scenario;
  readonly networks: readonly SimulatedNetwork[];
  readonly now: () => number;
  readonly paths: Paths;
  readonly linkOf: (process: ObservedProcess, peer: NodeName) => PeerLink | undefined;
  readonly report: (violation: string) => void;
}

export function createStage({ scenario, networks, now, paths, linkOf, report }: StageOptions): Stage {
  const indexOf = (node: NodeName) => scenario.clients.findIndex((_, i) => clientName(i) === node);
  const clientOf = (node: NodeName) => scenario.clients[indexOf(node)] as ClientPlan;
  const clientIn = ({ node }: ObservedProcess, peer: NodeName) => (node === 'relay' ? peer : node);
  const fails = (node: NodeName): boolean => {
    const { close, violation, removal, restarts } = scenario;
    return [close, violation, removal, ...restarts].some((event) => event?.node === node);
  };
  return {
    scenario,
    now,
    troubledAt(client) {
      if (!isSteady(clientOf(client), scenario) || fails(client) || fails('relay')) return Infinity;
      const standstill = scenario.freezes
        .filter(({ node, at }) => (node === client || node === 'relay') && at <= now())
        .map(({ at, forMs }) => at + forMs);
      return Math.max(networks[indexOf(client)]?.troubledAt ?? now(), ...standstill);
    },
    stats: (process, peer) => linkOf(process, peer)?.stats,
    readBytes: (process, peer, streamId) => linkOf(process, peer)?.readBytes(streamId),
    path: (process, peer) => paths.of(process, peer),
    transport: ({ node }) => (node === 'relay' ? scenario.relayTransport : clientOf(node).transport),
    keepaliveMs: ({ node }) => (node === 'relay' ? 0 : clientOf(node).keepaliveMs),
    wasFrozen: ({ node }, since) =>
      scenario.freezes.some(
        (freeze) => freeze.node === node && freeze.at + freeze.forMs >= since && freeze.at <= now(),
      ),
    wasEnded: (process, peer) =>
      [scenario.close, scenario.violation, scenario.removal].some(
        (event) => event !== undefined && (event.node === 'relay' || event.node === clientIn(process, peer)),
      ),
    report,
  };
}

/** Whether all datagrams take the same time and programs react at once, so that nothing can be mistaken for a loss. */
function isSteady({ network }: ClientPlan, { timing }: Scenario): boolean {
  const links = [network.toRelay, network.toClient];
  if (timing.turnDelayMs > 1 || timing.timerGrainMs > 1) return false;
  return links.every(
    ({ jitterMs, stragglerChance, bytesPerMs }) =>
      jitterMs === 0 && stragglerChance === 0 && bytesPerMs === undefined,
  );
}
