/** Named scenarios: what a seed draws, bent towards one kind of trouble, so that much of it happens. */
import { BASE_DATAGRAM_BYTES } from '@underpass/protocol';
import type { Scenario } from './scenario.js';
import type { SeededRandom } from './seeded-random.js';
import type { LinkConditions, Move, Side } from './simulated-network.js';

type Bend = (scenario: Scenario, random: SeededRandom) => Scenario;

const HOUR_MS = 3_600_000;

function onLinks(
  scenario: Scenario,
  bend: (link: LinkConditions, to: Side) => Partial<LinkConditions>,
): Scenario {
  const { network } = scenario;
  return {
    ...scenario,
    network: {
      ...network,
      toRelay: { ...network.toRelay, ...bend(network.toRelay, 'relay') },
      toClient: { ...network.toClient, ...bend(network.toClient, 'client') },
    },
  };
}

function until(scenario: Scenario, at: number): Scenario {
  return { ...scenario, plannedUntil: Math.max(scenario.plannedUntil, at) };
}

/** A moment at which a stream has just begun. */
function busyMoment({ streams }: Scenario, random: SeededRandom): number {
  return random.pick(streams).openAt + random.magnitude(1, 3_000);
}

/** Both sides begin with the base size: nothing larger can be relied on. */
function withBaseSize(scenario: Scenario): Scenario {
  const { client, relay } = scenario.transport;
  const transport = {
    client: { ...client, datagramBytes: BASE_DATAGRAM_BYTES },
    relay: { ...relay, datagramBytes: BASE_DATAGRAM_BYTES },
  };
  return { ...scenario, transport };
}

export const TROUBLES = {
  any: (scenario) => scenario,
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
    const blind = random.pick(['client', 'relay'] as const);
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
    const moves: Move[] = [];
    const start = busyMoment(scenario, random);
    for (let i = 0; i < 12; i++) {
      const address = random.chance(0.5) ? '192.0.2.1' : `203.0.113.${random.integer(1, 250)}`;
      moves.push({ at: start + 3_000 * i, address: { address, port: random.integer(1_024, 65_535) } });
    }
    // A client that has nothing to say does not tell where it is.
    const clientKeepaliveMs = scenario.clientKeepaliveMs || 10_000;
    return until({ ...scenario, clientKeepaliveMs, network: { ...scenario.network, moves } }, start + 36_000);
  },
  sleep: (scenario, random) => {
    const freezes = Array.from({ length: random.integer(1, 3) }, (_, i) => ({
      side: random.pick(['client', 'relay'] as const),
      at: busyMoment(scenario, random) + 20_000 * i,
      forMs: random.magnitude(100, random.chance(0.2) ? 3 * HOUR_MS : 20_000),
    }));
    const end = Math.max(...freezes.map(({ at, forMs }) => at + forMs));
    return until({ ...scenario, freezes }, end);
  },
  rekeys: (scenario, random) => {
    // A keypair is renewed after 120 s: blackouts around that moment, and streams that are busy then.
    const blackouts = [1, 2, 3].map((i) => {
      const from = 120_000 * i + random.between(-8_000, 8_000);
      return { from, until: from + random.magnitude(10, 20_000) };
    });
    const streams = scenario.streams.map((plan, i) => ({
      ...plan,
      openAt: 120_000 * (1 + (i % 3)) + random.between(-10_000, 2_000),
    }));
    streams.sort((a, b) => a.openAt - b.openAt);
    return until(
      onLinks({ ...scenario, streams }, () => ({ blackouts })),
      400_000,
    );
  },
  'slow-readers': (scenario, random) => ({
    ...scenario,
    streams: scenario.streams.map((plan) => ({
      ...plan,
      answerer: { ...plan.answerer, readPieces: random.integer(1, 4), readPauseMs: random.magnitude(1, 300) },
    })),
  }),
  resets: (scenario, random) => ({
    ...scenario,
    streams: scenario.streams.map((plan) => ({
      ...plan,
      opener: {
        ...plan.opener,
        resetAfterMs: random.chance(0.5) ? random.magnitude(1, 2_000) - 1 : undefined,
        stopAfterMs: random.chance(0.5) ? random.magnitude(1, 2_000) - 1 : undefined,
      },
    })),
  }),
  narrow: (scenario, random) =>
    onLinks(scenario, () => ({
      bytesPerMs: random.magnitude(20, 300),
      queueBytes: random.magnitude(3_000, 30_000),
    })),
  'small-paths': (scenario, random) =>
    onLinks(withBaseSize(scenario), () => ({
      pathBytes: [0, 2_000, 30_000].map((from) => ({ from, maxBytes: random.integer(600, 1_500) })),
    })),
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
