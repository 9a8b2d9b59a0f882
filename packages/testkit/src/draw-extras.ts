/** Draws what only some scenarios have. Each kind has a random source of its own, so that a new kind changes only the
 *  seeds that get it. */
import { BASE_DATAGRAM_BYTES } from '@underpass/protocol';
import type { EndPlan, MessagePlan, Refusal, Scenario, StreamPlan } from './scenario.js';
import type { SeededRandom } from './simulation/seeded-random.js';
import { clientName, type NodeName } from './simulation/world.js';

export function withExtras(scenario: Scenario, random: SeededRandom): Scenario {
  const refusals = random.derive('refusals');
  const late = withLateStreams(scenario, random.derive('late streams'));
  const talking = withMessages(late, random.derive('messages'));
  return refusals.chance(0.12) ? withRefusal(talking, refusals) : talking;
}

export function drawMessages(random: SeededRandom): { readonly messages?: MessagePlan } {
  if (random.chance(0.2)) return {};
  const count = random.magnitude(1, 400);
  const pauseMs = random.magnitude(1, 2_000);
  const maxBytes = random.pick([0, 60, 400, 1_200, 1_500]);
  return { messages: { count, maxBytes, burst: random.magnitude(1, 60), pauseMs } };
}

/** A side that has had no answer for a second holds back the first bytes of streams (spec streams 3.8). */
const HELD_BACK_MS = 1_500;

/** Has programs connect while the other side restarts, when nothing of their streams can be sent any more. */
function withLateStreams(scenario: Scenario, random: SeededRandom): Scenario {
  const restart = scenario.restarts.find(({ downMs }) => downMs > HELD_BACK_MS);
  if (restart === undefined || !random.chance(0.6)) return scenario;
  const { node, at, downMs } = restart;
  const opensAt = () => at + random.between(HELD_BACK_MS, downMs);
  const late = (plans: readonly StreamPlan[]): StreamPlan[] =>
    Array.from({ length: random.integer(1, 3) }, () => ({
      ...random.pick(plans),
      openedBy: node === 'relay' ? ('client' as const) : ('relay' as const),
      openAt: opensAt(),
    }));
  return {
    ...scenario,
    clients: scenario.clients.map((client, i) =>
      node === 'relay' || node === clientName(i)
        ? {
            ...client,
            streams: [...client.streams, ...late(client.streams)].sort((a, b) => a.openAt - b.openAt),
          }
        : client,
    ),
  };
}

/** Has some streams carry messages too (spec datagrams). */
function withMessages(scenario: Scenario, random: SeededRandom): Scenario {
  if (!random.chance(0.12)) return scenario;
  const share = random.pick([0.2, 1]);
  const talk = (end: EndPlan): EndPlan => ({ ...end, ...drawMessages(random) });
  const bend = (plan: StreamPlan): StreamPlan =>
    random.chance(share) ? { ...plan, opener: talk(plan.opener), answerer: talk(plan.answerer) } : plan;
  return {
    ...scenario,
    clients: scenario.clients.map((client) => ({ ...client, streams: client.streams.map(bend) })),
  };
}

/** Has one system refuse large datagrams: from the start, or while large ones are in use. */
export function withRefusal(scenario: Scenario, random: SeededRandom): Scenario {
  const large = { maxDatagramBytes: 1_472 };
  const clients = scenario.clients.map((client) => ({
    ...client,
    transport: { ...client.transport, ...large },
  }));
  const relayTransport = { ...scenario.relayTransport, ...large };
  const nodes: NodeName[] = ['relay', ...clients.map((_, i) => clientName(i))];
  const bases = [relayTransport, ...clients.map(({ transport }) => transport)].map(
    ({ datagramBytes = BASE_DATAGRAM_BYTES }) => datagramBytes,
  );
  const largest = clients
    .flatMap(({ streams }) => streams)
    .reduce((one, other) => (bytesOf(other) > bytesOf(one) ? other : one));
  const refusal: Refusal = {
    node: random.pick(nodes),
    from: random.chance(0.2) ? 0 : largest.openAt + random.magnitude(100, 3_000),
    // The base is sent whatever the system says (spec mtu 1.2).
    aboveBytes: random.integer(Math.max(...bases), 1_471),
  };
  return { ...scenario, relayTransport, clients, refusals: [refusal] };
}

function bytesOf({ opener, answerer }: StreamPlan): number {
  return Math.max(opener.sizeBytes, answerer.sizeBytes);
}
