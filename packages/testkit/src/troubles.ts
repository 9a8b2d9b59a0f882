/** Named scenarios: the draw of a seed, modified so that much of one kind of trouble happens. */
import { BASE_DATAGRAM_BYTES } from '@underpass/protocol';
import { drawMessages, withRefusal } from './draw-extras.js';
import { MALFORMED_KINDS } from './malformed-packets.js';
import type { Stalls } from './measure-transfer.js';
import { recoveringTransfer } from './recovering.js';
import type { ClientPlan, Freeze, Scenario, StreamPlan } from './scenario.js';
import type { LinkConditions, Side } from './simulation/network-conditions.js';
import type { SeededRandom } from './simulation/seeded-random.js';
import { clientName, type NodeName } from './simulation/world.js';
import { anotherClient, besideUnread, cleanTransfer, drawMoves, steadyWrites, without } from './transfers.js';

type Bend = (scenario: Scenario, random: SeededRandom) => Scenario;

const HOUR_MS = 3_600_000;
/** How long processes keep standing still now and then. */
const STALLS_MS = 5_000;

function onLinks(
  scenario: Scenario,
  bend: (link: LinkConditions, to: Side) => Partial<LinkConditions>,
): Scenario {
  return onClients(scenario, (client) => {
    const { network } = client;
    return {
      network: {
        ...network,
        toRelay: { ...network.toRelay, ...bend(network.toRelay, 'relay') },
        toClient: { ...network.toClient, ...bend(network.toClient, 'client') },
      },
    };
  });
}

function onClients(
  scenario: Scenario,
  bend: (client: ClientPlan, index: number) => Partial<ClientPlan>,
): Scenario {
  return {
    ...scenario,
    clients: scenario.clients.map((client, index) => ({ ...client, ...bend(client, index) })),
  };
}

function onStreams(scenario: Scenario, bend: (plan: StreamPlan, i: number) => StreamPlan): Scenario {
  return onClients(scenario, ({ streams }) => ({
    streams: streams.map(bend).sort((a, b) => a.openAt - b.openAt),
  }));
}

function nodesOf({ clients }: Scenario): NodeName[] {
  return ['relay', ...clients.map((_, i) => clientName(i))];
}

function until(scenario: Scenario, at: number): Scenario {
  return { ...scenario, plannedUntil: Math.max(scenario.plannedUntil, at) };
}

/** A moment shortly after a stream was opened. */
function busyMoment({ clients }: Scenario, random: SeededRandom): number {
  return random.pick(clients.flatMap(({ streams }) => streams)).openAt + random.magnitude(1, 3_000);
}

/** Makes both sides start with the base size, since the path may carry nothing larger. */
function withBaseSize(scenario: Scenario): Scenario {
  const datagramBytes = BASE_DATAGRAM_BYTES;
  return {
    ...onClients(scenario, ({ transport }) => ({ transport: { ...transport, datagramBytes } })),
    relayTransport: { ...scenario.relayTransport, datagramBytes },
  };
}

/** Moments at which a process stands still, as in docs/loss.md. */
function drawStalls(
  random: SeededRandom,
  node: NodeName,
  from: number,
  { meanGapMs, longestMs }: Stalls,
): Freeze[] {
  const freezes: Freeze[] = [];
  for (let at = from + random.between(0, 2 * meanGapMs); at < from + STALLS_MS; ) {
    const forMs = longestMs * random.fraction() ** 2;
    freezes.push({ node, at, forMs });
    at += forMs + random.between(0, 2 * meanGapMs);
  }
  return freezes;
}

export const TROUBLES = {
  any: (scenario, random) => (random.chance(0.08) ? recoveringTransfer(scenario, random) : scenario),
  loss: (scenario, random) => onLinks(scenario, () => ({ lossChance: random.between(0.05, 0.3) })),
  bursts: (scenario, random) =>
    onLinks(scenario, () => ({
      burstChance: random.between(0.002, 0.02),
      burstMs: random.magnitude(5, 300),
    })),
  reordering: (scenario, random) =>
    onLinks(scenario, () => ({
      jitterMs: random.magnitude(1, 60),
      stragglerChance: random.between(0.01, 0.2),
      stragglerMs: random.magnitude(3, 500),
    })),
  corruption: (scenario, random) =>
    onLinks(scenario, () => ({ corruptionChance: random.between(0.02, 0.2) })),
  duplication: (scenario, random) =>
    onLinks(scenario, () => ({ duplicateChance: random.between(0.05, 0.5) })),
  blackouts: (scenario, random) => {
    const isOneWay = random.chance(0.5);
    const blind: Side = random.pick(['client', 'relay']);
    const start = busyMoment(scenario, random);
    const blackouts = Array.from({ length: 5 }, (_, i) => {
      const from = start + 7_000 * i;
      return { from, until: from + random.magnitude(100, 6_000) };
    });
    const bent = onLinks(scenario, (_, to) => (isOneWay && to !== blind ? {} : { blackouts }));
    return until(bent, start + 35_000);
  },
  'long-blackout': (scenario, random) => {
    const from = busyMoment(scenario, random);
    const end = from + random.between(200_000, 700_000);
    return until(
      onLinks(scenario, () => ({ blackouts: [{ from, until: end }] })),
      end,
    );
  },
  moves: (scenario, random) => {
    const start = busyMoment(scenario, random);
    const bent = onClients(scenario, ({ network, keepaliveMs }, index) => ({
      // A client that sends nothing does not reveal where it is.
      keepaliveMs: keepaliveMs || 10_000,
      network: { ...network, moves: drawMoves(random, start, index, 0.5) },
    }));
    return until(bent, start + 36_000);
  },
  /** A NAT that forgets its mapping and assigns another port. */
  nat: (scenario, random) => {
    const start = busyMoment(scenario, random);
    const bent = onClients(scenario, ({ network, keepaliveMs }, index) => ({
      keepaliveMs: keepaliveMs || 10_000,
      network: { ...network, moves: drawMoves(random, start, index, 1) },
    }));
    return until(bent, start + 36_000);
  },
  replays: (scenario, random) =>
    onLinks(scenario, () => ({
      replayChance: random.between(0.02, 0.3),
      replayDelayMs: random.magnitude(1, 30_000),
      jitterMs: random.magnitude(1, 60),
    })),
  flood: (scenario, random) => {
    const at = random.chance(0.5) ? 0 : busyMoment(scenario, random);
    const forMs = random.magnitude(500, 5_000);
    const flood = { at, forMs, perSecond: random.integer(130, 800), isFromClients: random.chance(0.3) };
    const bent = until({ ...scenario, floods: [flood] }, at + forMs);
    // A handshake in the middle of the flood has to ask for a cookie.
    if (!random.chance(0.6)) return bent;
    const restart = { node: 'client' as const, at: at + forMs * random.between(0.4, 0.9), downMs: 1 };
    const quiet = { ...without(bent), floods: [flood], restarts: [restart] };
    return onClients(quiet, ({ keepaliveMs }) => ({ keepaliveMs: keepaliveMs || 10_000 }));
  },
  sleep: (scenario, random) => {
    const freezes = Array.from({ length: random.integer(1, 3) }, (_, i) => ({
      node: random.pick(nodesOf(scenario)),
      at: busyMoment(scenario, random) + 20_000 * i,
      forMs: random.magnitude(100, random.chance(0.2) ? 3 * HOUR_MS : 20_000),
    }));
    const end = Math.max(...freezes.map(({ at, forMs }) => at + forMs));
    return until({ ...scenario, freezes }, end);
  },
  /** Every process shares its core with others: again and again it stands still for a moment. */
  stalls: (scenario, random) => {
    const from = random.chance(0.5) ? 0 : busyMoment(scenario, random);
    const stalls = random.chance(0.5)
      ? { meanGapMs: 50, longestMs: 40 }
      : { meanGapMs: random.magnitude(5, 500), longestMs: random.magnitude(5, 200) };
    const freezes = nodesOf(scenario).flatMap((node) => drawStalls(random, node, from, stalls));
    return until({ ...scenario, freezes }, from + STALLS_MS);
  },
  /** Wall clocks are set while their process restarts. */
  clocks: (scenario, random) => {
    const node = random.pick(nodesOf(scenario));
    const at = busyMoment(scenario, random);
    const restart = { node, at, downMs: random.magnitude(1, 5_000) };
    const byMs = random.chance(0.5) ? random.magnitude(1_000, 1e11) : -random.magnitude(100, 60_000);
    const bent = onClients(without(scenario), ({ keepaliveMs }) => ({ keepaliveMs: keepaliveMs || 10_000 }));
    const wallSteps = [{ node, at: at + random.between(-1_000, restart.downMs), byMs }];
    return until({ ...bent, restarts: [restart], wallSteps }, at + restart.downMs);
  },
  /** An application writes at a steady pace while the other side restarts. */
  'paced-writes': (scenario, random) => {
    const pauseMs = random.magnitude(10, 3_000);
    const paced = onStreams(without(scenario), (plan) => ({
      ...plan,
      openAt: Math.min(plan.openAt, 2_000),
      opener: {
        ...plan.opener,
        chunkBytes: 100,
        writePauseMs: pauseMs,
        sizeBytes: Math.ceil(20_000 / pauseMs) * 100,
      },
    }));
    const bent = onClients(paced, ({ streams, keepaliveMs }) => ({
      streams: streams.slice(0, 3),
      keepaliveMs: keepaliveMs || 25_000,
    }));
    const restart = {
      node: random.chance(0.8) ? ('relay' as const) : ('client' as const),
      at: random.between(3_000, 10_000),
      downMs: random.magnitude(1, 3_000),
    };
    return until({ ...bent, restarts: [restart] }, restart.at + restart.downMs);
  },
  /** A relay with several clients, one of which it removes or which malfunctions. */
  peers: (scenario, random) => {
    const clients = [...scenario.clients];
    while (clients.length < 3) clients.push(anotherClient(clients[0] as ClientPlan, clients.length));
    const bent = { ...without(scenario), clients };
    const node = clientName(random.integer(0, 2));
    const at = busyMoment(bent, random);
    return random.chance(0.5)
      ? until(
          { ...bent, violation: { node, at, kind: random.derive('malformed').pick(MALFORMED_KINDS) } },
          at,
        )
      : until(
          {
            ...onClients(bent, ({ keepaliveMs }) => ({ keepaliveMs: keepaliveMs || 10_000 })),
            removal: { node, at, backAfterMs: random.magnitude(1, 20_000) },
          },
          at + 20_000,
        );
  },
  clean: (scenario, random) => cleanTransfer(scenario, random),
  steady: (scenario, random) => steadyWrites(scenario, random),
  unread: (scenario, random) => besideUnread(scenario, random),
  rekeys: (scenario, random) => {
    // Keypairs are renewed after 120 s: put blackouts and busy streams around those moments.
    const blackouts = [1, 2, 3].map((i) => {
      const from = 120_000 * i + random.between(-8_000, 8_000);
      return { from, until: from + random.magnitude(10, 20_000) };
    });
    const busy = onStreams(scenario, (plan, i) => ({
      ...plan,
      openAt: 120_000 * (1 + (i % 3)) + random.between(-10_000, 2_000),
    }));
    return until(
      onLinks(busy, () => ({ blackouts })),
      400_000,
    );
  },
  'slow-readers': (scenario, random) =>
    onStreams(scenario, (plan) => ({
      ...plan,
      answerer: { ...plan.answerer, readPieces: random.integer(1, 4), readPauseMs: random.magnitude(1, 300) },
    })),
  resets: (scenario, random) =>
    onStreams(scenario, (plan) => ({
      ...plan,
      opener: {
        ...plan.opener,
        resetAfterMs: random.chance(0.5) ? random.magnitude(1, 2_000) - 1 : undefined,
        stopAfterMs: random.chance(0.5) ? random.magnitude(1, 2_000) - 1 : undefined,
      },
    })),
  narrow: (scenario, random) =>
    onLinks(scenario, () => ({
      bytesPerMs: random.magnitude(20, 300),
      queueBytes: random.magnitude(3_000, 30_000),
    })),
  'small-paths': (scenario, random) =>
    onLinks(withBaseSize(scenario), () => ({
      pathBytes: [0, 2_000, 30_000].map((from) => ({ from, maxBytes: random.integer(600, 1_500) })),
    })),
  /** Streams have messages too. */
  datagrams: (scenario, random) =>
    onStreams(scenario, (plan) => ({
      ...plan,
      opener: { ...plan.opener, ...drawMessages(random) },
      answerer: { ...plan.answerer, ...drawMessages(random) },
    })),
  'refused-sizes': (scenario, random) => withRefusal(scenario, random),
  recovery: (scenario, random) => recoveringTransfer(scenario, random),
  everything: (scenario, random) => {
    let bent = scenario;
    for (const name of [
      'reordering',
      'corruption',
      'duplication',
      'blackouts',
      'moves',
      'small-paths',
    ] as const) {
      bent = TROUBLES[name](bent, random);
    }
    return onLinks(bent, () => ({ lossChance: random.between(0.02, 0.3) }));
  },
} satisfies Record<string, Bend>;

export type ScenarioName = keyof typeof TROUBLES;
export const SCENARIO_NAMES = Object.keys(TROUBLES) as ScenarioName[];
/** Those that `mixed` alternates between. A new one among them would give each seed another scenario. */
const APART = ['datagrams', 'refused-sizes', 'recovery'];
export const MIXED_NAMES = SCENARIO_NAMES.filter((name) => !APART.includes(name));
