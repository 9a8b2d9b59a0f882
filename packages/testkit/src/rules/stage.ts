/** Answers the questions of rules about a run, from its scenario, its networks and the statistics of its processes. */
import { DEFAULT_TRANSPORT, type Peer, type PeerStats, type TransportConfig } from '@underpass/protocol';
import type { ObservedProcess } from '../observer/observer.js';
import type { PeerLink } from '../process-model.js';
import type { ClientPlan, Scenario } from '../scenario.js';
import type { SimulatedNetwork } from '../simulation/simulated-network.js';
import { clientName, type NodeName } from '../simulation/world.js';
import type { FlightModels } from './flight-models.js';
import type { Paths } from './path-model.js';
import { PerPeer } from './per-peer.js';
import type { Secrets, Stage } from './rule.js';

export interface StageOptions {
  readonly scenario: Scenario;
  readonly secrets: Secrets;
  readonly networks: readonly SimulatedNetwork[];
  readonly now: () => number;
  readonly paths: Paths;
  readonly flights: FlightModels;
  /** A number that changes before each observation. Between two rules that see the same one, nothing happens. */
  readonly moment: () => number;
  readonly linkOf: (process: ObservedProcess, peer: NodeName) => PeerLink | undefined;
}

/** What all rules see of the run. Each also has a `report` of its own. */
export function createStage(options: StageOptions): Omit<Stage, 'report'> {
  const { scenario, secrets, networks, now, paths, flights, moment, linkOf } = options;
  const indexOf = (node: NodeName) => scenario.clients.findIndex((_, i) => clientName(i) === node);
  const clientOf = (node: NodeName) => scenario.clients[indexOf(node)] as ClientPlan;
  const clientIn = ({ node }: ObservedProcess, peer: NodeName) => (node === 'relay' ? peer : node);
  const fails = (node: NodeName): boolean => {
    const { close, violation, removal, restarts } = scenario;
    return [close, violation, removal, ...restarts].some((event) => event?.node === node);
  };
  // Several rules ask for them in the same moment.
  const statistics = new PerPeer<{ moment: number; stats: PeerStats | undefined }>(() => ({
    moment: -1,
    stats: undefined,
  }));
  const views = new PerPeer<{ moment: number; view: Peer['view'] | undefined }>(() => ({
    moment: -1,
    view: undefined,
  }));
  const transports = new Map<NodeName, TransportConfig>();
  const transportOf = (node: NodeName): TransportConfig => {
    const own = node === 'relay' ? scenario.relayTransport : clientOf(node).transport;
    const transport = { ...DEFAULT_TRANSPORT, ...own };
    transports.set(node, transport);
    return transport;
  };
  return {
    scenario,
    secrets,
    now,
    troubledAt(client) {
      if (!isSteady(clientOf(client), scenario) || fails(client) || fails('relay')) return Infinity;
      const standstill = scenario.freezes
        .filter(({ node, at }) => (node === client || node === 'relay') && at <= now())
        .map(({ at, forMs }) => at + forMs);
      return Math.max(networks[indexOf(client)]?.troubledAt ?? now(), ...standstill);
    },
    stats(process, peer) {
      const last = statistics.of(process, peer);
      if (last.moment !== moment()) {
        last.stats = linkOf(process, peer)?.stats;
        last.moment = moment();
      }
      return last.stats;
    },
    view(process, peer) {
      const last = views.of(process, peer);
      if (last.moment !== moment()) {
        last.view = linkOf(process, peer)?.peer.view;
        last.moment = moment();
      }
      return last.view;
    },
    readBytes: (process, peer, streamId) => linkOf(process, peer)?.readBytes(streamId),
    liveStreams: (process, peer) => linkOf(process, peer)?.liveStreams,
    path: (process, peer) => paths.of(process, peer),
    flight: (process, peer) => flights.of(process, peer),
    transport: ({ node }) => transports.get(node) ?? transportOf(node),
    keepaliveMs: ({ node }) => (node === 'relay' ? 0 : clientOf(node).keepaliveMs),
    wasFrozen: ({ node }, since) =>
      scenario.freezes.some(
        (freeze) => freeze.node === node && freeze.at + freeze.forMs >= since && freeze.at <= now(),
      ),
    wasEnded: (process, peer) =>
      [scenario.close, scenario.violation, scenario.removal].some(
        (event) => event !== undefined && (event.node === 'relay' || event.node === clientIn(process, peer)),
      ),
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
