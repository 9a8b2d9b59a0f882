/** Scenarios with a predictable outcome: transfers that have everything they need, and so must end in a known time. */
import { clientAddress } from './draw-scenario.js';
import type { ClientPlan, EndPlan, Expectation, Scenario, StreamPlan } from './scenario.js';
import { CLIENT_ADDRESS, type Move, PERFECT_LINK } from './simulation/network-conditions.js';
import type { SeededRandom } from './simulation/seeded-random.js';

/** The share of the path's rate that a transfer must reach once it is under way. The rest covers headers and BBR's
 *  search. */
const LEAST_SHARE = 0.6;
/** How many round trips the handshake, the start and the end of a transfer may take. */
const ROUNDS = 20;
/** Additional time that does not depend on the path. */
const START_MS = 500;

const QUIET_END: EndPlan = {
  sizeBytes: 0,
  chunkBytes: 65_536,
  writePauseMs: 0,
  finishAfterRead: false,
  readDelayMs: 0,
  readPieces: 0,
  readPauseMs: 0,
  resetAfterMs: undefined,
  resetAfterFinishMs: undefined,
  stopAfterMs: undefined,
  code: 0,
};

/** The same scenario without failures of processes. */
export function without(scenario: Scenario): Scenario {
  return {
    ...scenario,
    restarts: [],
    close: undefined,
    violation: undefined,
    removal: undefined,
    freezes: [],
    wallSteps: [],
    floods: [],
    refusals: [],
  };
}

/** A client with the same plan at other addresses. */
export function anotherClient(client: ClientPlan, index: number): ClientPlan {
  const { network } = client;
  return {
    ...client,
    network: {
      ...network,
      clientAddress: { ...CLIENT_ADDRESS, address: clientAddress(index) },
      replayerAddress: { address: `203.0.113.${200 + index}`, port: 4_444 },
      moves: [],
    },
  };
}

export function drawMoves(random: SeededRandom, start: number, index: number, portShare: number): Move[] {
  return Array.from({ length: 12 }, (_, i) => {
    const address = random.chance(portShare)
      ? clientAddress(index)
      : `203.0.${114 + index}.${random.integer(1, 250)}`;
    return { at: start + 3_000 * i, address: { address, port: random.integer(1_024, 65_535) } };
  });
}

/** A large transfer for each of one or two clients, over clean links. */
export function cleanTransfer(scenario: Scenario, random: SeededRandom): Scenario {
  const delayMs = random.magnitude(2, 120);
  const bytesPerMs = random.magnitude(200, 4_000);
  const sizeBytes = random.integer(1_000_000, 3_000_000);
  const count = random.chance(0.6) ? 1 : 2;
  const clients = Array.from({ length: count }, (_, i) => {
    const plan = transfer(random, sizeBytes, 0);
    const withinMs = timeFor(sizeBytes, delayMs, bytesPerMs);
    return cleanClient(scenario, i, { delayMs, bytesPerMs }, [plan], [{ stream: 0, withinMs }]);
  });
  const [first] = clients as [ClientPlan];
  return settled(scenario, random.chance(0.5) ? clients : [withTwin(first), ...clients.slice(1)]);
}

/** Adds an identical transfer at the same time over the same connection. */
function withTwin(client: ClientPlan): ClientPlan {
  const [plan] = client.streams as [StreamPlan];
  const [expectation] = client.expectations as [Expectation];
  const withinMs = 2 * expectation.withinMs;
  return {
    ...client,
    streams: [plan, { ...plan, openerStart: plan.openerStart + 1 }],
    expectations: [{ stream: 0, besides: 1, withinMs }],
  };
}

/** An application that writes a little every second or so for some minutes, over a path without loss. */
export function steadyWrites(scenario: Scenario, random: SeededRandom): Scenario {
  const count = random.integer(60, 150);
  const plan = transfer(random, 100 * count, 0);
  const paced = {
    ...plan,
    opener: { ...plan.opener, chunkBytes: 100, writePauseMs: random.between(800, 2_000) },
  };
  const link = { ...PERFECT_LINK, delayMs: random.magnitude(2, 120) };
  const client = cleanClient(scenario, 0, { delayMs: link.delayMs, bytesPerMs: 1_000 }, [paced], []);
  const network = { ...client.network, toRelay: link, toClient: link };
  return { ...settled(scenario, [{ ...client, network }]), plannedUntil: 130_000 };
}

/** Streams that nobody reads, and one on the same connection that is read. */
export function besideUnread(scenario: Scenario, random: SeededRandom): Scenario {
  const delayMs = random.magnitude(20, 150);
  const bytesPerMs = random.magnitude(400, 4_000);
  const sizeBytes = random.integer(300_000, 1_000_000);
  const opener = random.pick(['client', 'relay'] as const);
  const unread = Array.from({ length: random.integer(1, 12) }, () => ({
    ...transfer(random, random.integer(300_000, 2_000_000), random.between(0, 500)),
    openedBy: opener,
    answerer: { ...QUIET_END, readDelayMs: 60_000 },
  }));
  const read = { ...transfer(random, sizeBytes, 1_000), openedBy: opener };
  const withinMs = 2 * timeFor(sizeBytes, delayMs, bytesPerMs) + 12 * ((256 * 1024) / bytesPerMs);
  const client = cleanClient(
    scenario,
    0,
    { delayMs, bytesPerMs },
    [...unread, read],
    [{ stream: unread.length, withinMs }],
  );
  return { ...settled(scenario, [client]), plannedUntil: 61_000 };
}

function timeFor(sizeBytes: number, delayMs: number, bytesPerMs: number): number {
  return START_MS + ROUNDS * 2 * delayMs + sizeBytes / (LEAST_SHARE * bytesPerMs);
}

export function transfer(random: SeededRandom, sizeBytes: number, openAt: number): StreamPlan {
  return {
    openedBy: random.pick(['client', 'relay']),
    openAt,
    opener: { ...QUIET_END, sizeBytes },
    answerer: QUIET_END,
    openerStart: random.integer(0, 60_000),
    answererStart: random.integer(0, 60_000),
  };
}

/** A relay does not know where a client is before it has heard from it, so the client sends something first. */
export function cleanClient(
  scenario: Scenario,
  index: number,
  { delayMs, bytesPerMs }: { readonly delayMs: number; readonly bytesPerMs: number },
  streams: readonly StreamPlan[],
  expectations: ClientPlan['expectations'],
): ClientPlan {
  const queueBytes = Math.max(60_000, 4 * delayMs * bytesPerMs);
  const link = { ...PERFECT_LINK, delayMs, bytesPerMs, queueBytes };
  const client = scenario.clients[0] as ClientPlan;
  return {
    ...anotherClient(client, index),
    network: { ...anotherClient(client, index).network, toRelay: link, toClient: link },
    transport: {},
    streams,
    expectations,
  };
}

export function settled(scenario: Scenario, clients: readonly ClientPlan[]): Scenario {
  return {
    ...without(scenario),
    clients,
    relayTransport: {},
    timing: {
      turnDelayMs: Math.min(1, scenario.timing.turnDelayMs),
      timerGrainMs: Math.min(1, scenario.timing.timerGrainMs),
    },
    plannedUntil: 2_000,
  };
}
