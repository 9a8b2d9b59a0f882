/** Draws a scenario from a seed, before anything runs. */
import { BASE_DATAGRAM_BYTES, CONGESTION_CONTROLLERS, type TransportConfig } from '@underpass/protocol';
import { withExtras } from './draw-extras.js';
import { drawStreams, type StreamKind } from './draw-streams.js';
import { MALFORMED_KINDS } from './malformed-packets.js';
import type {
  ClientPlan,
  Close,
  Flood,
  Freeze,
  Removal,
  Restart,
  Scenario,
  StreamPlan,
  Violation,
  WallStep,
} from './scenario.js';
import type { TurnTiming } from './simulation/endpoint-driver.js';
import {
  CLIENT_ADDRESS,
  type Interval,
  type LinkConditions,
  type Move,
  type NetworkConditions,
} from './simulation/network-conditions.js';
import type { SeededRandom } from './simulation/seeded-random.js';
import { clientName, type NodeName } from './simulation/world.js';

/** Long enough for rekeys, and for keypairs to expire in a blackout (spec session 5). */
const LONG_RUN_MS = 420_000;

export function drawScenario(random: SeededRandom): Scenario {
  const shape = random.derive('shape');
  const isLong = shape.chance(0.2);
  const spreadMs = isLong ? shape.between(130_000, LONG_RUN_MS) : shape.magnitude(1, 8_000);
  const kind: StreamKind = shape.chance(0.7) ? 'mixed' : shape.chance(0.35) ? 'crowd' : 'bulk';
  const crowd = random.derive('crowd');
  const count = crowd.chance(0.8) ? 1 : crowd.integer(2, 4);
  const clients = Array.from({ length: count }, (_, i) => {
    const own = i === 0 ? random : random.derive(clientName(i));
    return drawClient(own, i === 0 ? kind : 'mixed', spreadMs, isLong, i);
  });
  const nodes: NodeName[] = ['relay', ...clients.map((_, i) => clientName(i))];
  const streams = clients.flatMap((client) => client.streams);
  const restarts = shape.chance(0.2) ? drawRestarts(shape, streams, nodes) : [];
  const isQuiet = restarts.length === 0;
  const close: Close | undefined =
    isQuiet && shape.chance(0.1)
      ? { node: shape.pick(nodes), at: drawBusyMoment(shape, streams) }
      : undefined;
  const isPlain = isQuiet && close === undefined;
  const violation: Violation | undefined =
    isPlain && crowd.chance(count > 1 ? 0.3 : 0.03)
      ? {
          node: crowd.pick(nodes.slice(1)),
          at: drawBusyMoment(crowd, streams),
          kind: random.derive('malformed').pick(MALFORMED_KINDS),
        }
      : undefined;
  const removal: Removal | undefined =
    isPlain && violation === undefined && crowd.chance(count > 1 ? 0.3 : 0.03)
      ? {
          node: crowd.pick(nodes.slice(1)),
          at: drawBusyMoment(crowd, streams),
          backAfterMs: crowd.magnitude(1, 20_000),
        }
      : undefined;
  const freezes = shape.chance(0.15) ? [drawFreeze(shape, streams, nodes)] : [];
  const wallSteps = shape.chance(0.2) ? [drawWallStep(shape, streams, nodes, isQuiet)] : [];
  const floods = crowd.chance(0.1) ? [drawFlood(crowd, streams)] : [];
  const times = [
    spreadMs,
    close?.at ?? 0,
    violation?.at ?? 0,
    removal === undefined ? 0 : removal.at + removal.backAfterMs,
    ...freezes.map(({ at, forMs }) => at + forMs),
    ...restarts.map(({ at, downMs }) => at + downMs),
    ...floods.map(({ at, forMs }) => at + forMs),
  ];
  for (const { network } of clients) {
    for (const { until } of [...network.toRelay.blackouts, ...network.toClient.blackouts]) times.push(until);
  }
  // Without keepalives a client that silently waits never learns that the relay restarted, and a relay never learns
  // that the client's address changed.
  const needsKeepalive = restarts.length > 0 || removal !== undefined;
  const scenario: Scenario = {
    timing: drawTiming(shape),
    relayTransport: drawTransport(shape, kind),
    clients: clients.map((client) => (needsKeepalive ? withKeepalive(client, shape) : client)),
    restarts,
    close,
    violation,
    removal,
    freezes,
    wallSteps,
    floods,
    plannedUntil: Math.max(...times),
  };
  return withExtras(scenario, random);
}

function drawClient(
  random: SeededRandom,
  kind: StreamKind,
  spreadMs: number,
  isLong: boolean,
  index: number,
): ClientPlan {
  const own = random.derive('client');
  const network = drawNetwork(random.derive('conditions'), spreadMs, isLong, index);
  const client: ClientPlan = {
    network,
    transport: drawTransport(own, kind),
    hasPresharedKey: own.chance(0.3),
    keepaliveMs: own.chance(0.1) ? own.integer(5_000, 25_000) : 0,
    streams: drawStreams(random.derive('streams'), kind, spreadMs),
    expectations: [],
  };
  return network.moves.length > 0 ? withKeepalive(client, own) : client;
}

function withKeepalive(client: ClientPlan, random: SeededRandom): ClientPlan {
  return { ...client, keepaliveMs: client.keepaliveMs || random.integer(5_000, 25_000) };
}

/** Shortly after a stream was opened, when much is under way. */
function drawBusyMoment(random: SeededRandom, streams: readonly StreamPlan[]): number {
  return random.pick(streams).openAt + random.magnitude(1, 3_000);
}

function drawFreeze(
  random: SeededRandom,
  streams: readonly StreamPlan[],
  nodes: readonly NodeName[],
): Freeze {
  return {
    node: random.pick(nodes),
    at: drawBusyMoment(random, streams),
    // 200 s are longer than any keypair lives.
    forMs: random.magnitude(10, random.chance(0.3) ? 400_000 : 10_000),
  };
}

/** If a clock goes back while its process restarts, WireGuard locks that process out until the clock has caught up. */
const MAX_STEP_BACK_MS = 60_000;

function drawWallStep(
  random: SeededRandom,
  streams: readonly StreamPlan[],
  nodes: readonly NodeName[],
  isQuiet: boolean,
): WallStep {
  const byMs = random.magnitude(1_000, 100_000_000);
  return {
    node: random.pick(nodes),
    at: drawBusyMoment(random, streams),
    byMs: random.chance(0.5) ? byMs : -(isQuiet ? byMs : Math.min(byMs, MAX_STEP_BACK_MS)),
  };
}

function drawFlood(random: SeededRandom, streams: readonly StreamPlan[]): Flood {
  return {
    at: drawBusyMoment(random, streams),
    forMs: random.magnitude(100, 4_000),
    perSecond: random.magnitude(10, 600),
    isFromClients: random.chance(0.3),
  };
}

function drawRestarts(
  random: SeededRandom,
  streams: readonly StreamPlan[],
  nodes: readonly NodeName[],
): Restart[] {
  const restarts: Restart[] = [];
  let at = drawBusyMoment(random, streams);
  for (let count = random.integer(1, 2); count > 0; count--) {
    const restart: Restart = {
      node: random.pick(nodes),
      at,
      downMs: random.chance(0.5) ? 0 : random.magnitude(1, 30_000),
    };
    restarts.push(restart);
    at += restart.downMs + random.magnitude(1, 20_000);
  }
  return restarts;
}

function drawTiming(random: SeededRandom): TurnTiming {
  return {
    turnDelayMs: random.pick([0, 0.05, 1, 4]),
    timerGrainMs: random.pick([0, 1, 1, 15]),
  };
}

function drawTransport(random: SeededRandom, kind: StreamKind): Partial<TransportConfig> {
  const windowBytes = random.pick(kind === 'bulk' ? [1, 1, 2] : [1, 2, 8, 32]) * 1024 * 1024;
  return {
    congestion: random.pick(CONGESTION_CONTROLLERS),
    datagramBytes: random.pick([BASE_DATAGRAM_BYTES, BASE_DATAGRAM_BYTES, 1280, 1392]),
    maxDatagramBytes: random.pick([BASE_DATAGRAM_BYTES, 1440, 1472]),
    connectionWindowBytes: windowBytes,
    maxStreamWindowBytes: Math.max(256 * 1024, windowBytes / 4),
    maxOpenStreams: random.pick([128, 200, 1024]),
    sendBufferBytes: random.pick([256 * 1024, 4 * 1024 * 1024, 24 * 1024 * 1024]),
  };
}

// ---- network --------------------------------------------------------------------------------------------------

/** No two clients share an address. */
export function clientAddress(index: number): string {
  return `192.0.2.${index + 1}`;
}

function drawNetwork(
  random: SeededRandom,
  spreadMs: number,
  isLong: boolean,
  index: number,
): NetworkConditions {
  const toRelay = drawLink(random, spreadMs, isLong);
  const isSymmetric = random.chance(0.5);
  const toClient = isSymmetric ? toRelay : drawLink(random, spreadMs, isLong);
  const moves: Move[] = [];
  if (random.chance(0.15)) {
    for (let count = random.integer(1, 3); count > 0; count--) {
      const address = random.chance(0.5) ? clientAddress(index) : `203.0.113.${7 + index}`;
      moves.push({
        at: random.between(0, 1.5 * spreadMs),
        address: { address, port: random.integer(1024, 65_535) },
      });
    }
  }
  return {
    clientAddress: { ...CLIENT_ADDRESS, address: clientAddress(index) },
    replayerAddress: { address: `203.0.113.${200 + index}`, port: 4_444 },
    toRelay,
    toClient,
    moves,
  };
}

function drawLink(random: SeededRandom, spreadMs: number, isLong: boolean): LinkConditions {
  const isRough = random.chance(0.8);
  const rough = (chance: number, low: number, high: number): number =>
    isRough && random.chance(chance) ? random.between(low, high) : 0;
  const bytesPerMs = random.chance(0.35) ? random.magnitude(30, 20_000) : undefined;
  return {
    delayMs: random.magnitude(1, 150),
    jitterMs: rough(0.5, 0, 30),
    wander: undefined,
    stragglerChance: rough(0.3, 0, 0.05),
    stragglerMs: random.magnitude(10, 3_000),
    lossChance: rough(0.7, 0, 0.1),
    burstChance: rough(0.25, 0, 0.005),
    burstMs: random.magnitude(2, 300),
    duplicateChance: rough(0.4, 0, 0.1),
    duplicateDelayMs: random.magnitude(1, 20_000),
    corruptionChance: rough(0.4, 0, 0.05),
    forgeryChance: rough(0.3, 0, 0.05),
    replayChance: rough(0.15, 0, 0.02),
    replayDelayMs: random.magnitude(1, 20_000),
    bytesPerMs,
    queueBytes: Math.max(20_000, (bytesPerMs ?? 0) * random.magnitude(5, 500)),
    blackouts: random.chance(0.2) ? drawBlackouts(random, spreadMs, isLong) : [],
    pathBytes: random.chance(0.3) ? drawPathBytes(random, spreadMs) : [],
  };
}

/** The size that the path carries, and later perhaps another. */
function drawPathBytes(random: SeededRandom, spreadMs: number): { from: number; maxBytes: number }[] {
  const sizes = [{ from: 0, maxBytes: random.integer(1_392, 1_500) }];
  if (random.chance(0.5))
    sizes.push({ from: random.between(0, spreadMs), maxBytes: random.integer(1_392, 1_500) });
  return sizes;
}

function drawBlackouts(random: SeededRandom, spreadMs: number, isLong: boolean): Interval[] {
  const blackouts: Interval[] = [];
  for (let count = random.integer(1, 3); count > 0; count--) {
    const from = random.between(0, 1.5 * spreadMs);
    // 300 s are longer than any keypair lives; after 600 s nothing below the connection is remembered.
    const longest = isLong ? random.pick([40_000, 300_000, 600_000]) : 20_000;
    blackouts.push({ from, until: from + random.magnitude(10, longest) });
  }
  return blackouts;
}
