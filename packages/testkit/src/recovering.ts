/** Scenarios of transfers over a path that is in trouble for a while. Once that is over, the sender must find the path's
 *  rate, and the largest size that it carries, again. */
import { BASE_DATAGRAM_BYTES, CONGESTION_CONTROLLERS } from '@underpass/protocol';
import type { ClientPlan, Scenario, StreamPlan } from './scenario.js';
import type { Interval, LinkConditions } from './simulation/network-conditions.js';
import type { SeededRandom } from './simulation/seeded-random.js';
import { cleanClient, settled, transfer } from './transfers.js';

/** - outage: nothing passes for a while
 *  - bursts: several times, everything is lost for a moment
 *  - noise: the path loses packets by itself, all the time (spec congestion 4.3)
 *  - small path: it carries no full datagrams of Ethernet */
const KINDS = ['outage', 'bursts', 'noise', 'small path'] as const;
type Kind = (typeof KINDS)[number];

const BURSTS = 6;
const BURST_GAP_MS = 300;
const LARGEST_BYTES = 1_472;
const STEP_BYTES = 16;
/** The share of the path's rate that a transfer must reach once the trouble is over (spec congestion 5). */
const LEAST_SHARE: Readonly<Record<Kind, number>> = {
  outage: 0.88,
  bursts: 0.88,
  noise: 0.5,
  'small path': 0.88,
};
/** The time that the handshake, the start, the trouble and the way back to the full rate may take besides. */
const BESIDES_MS = 1_200;

export function recoveringTransfer(scenario: Scenario, random: SeededRandom): Scenario {
  const delayMs = random.magnitude(5, 80);
  const bytesPerMs = random.magnitude(100, 500);
  const kind = random.pick(KINDS);
  const blackouts = drawBlackouts(kind, random);
  const pathBytes =
    kind === 'small path' ? random.integer(BASE_DATAGRAM_BYTES, LARGEST_BYTES) : LARGEST_BYTES;
  const lossChance = kind === 'noise' ? random.between(0.005, 0.05) : 0;
  // The others take any loss for congestion.
  const congestion = kind === 'noise' ? ('bbr' as const) : random.pick(CONGESTION_CONTROLLERS);
  const sizeBytes = Math.round(bytesPerMs * random.between(8_000, 12_000));
  const plan: StreamPlan = transfer(random, sizeBytes, 0);
  const troubleMs = blackouts.at(-1)?.until ?? 0;
  const withinMs = BESIDES_MS + troubleMs + 20 * delayMs + sizeBytes / (LEAST_SHARE[kind] * bytesPerMs);
  // A dead path may make the size fall, for a minute (spec mtu 4).
  const isWhole = kind === 'small path';
  const size = isWhole ? { datagramBytes: Math.floor(pathBytes / STEP_BYTES) * STEP_BYTES } : {};
  const expectations = [{ stream: 0, withinMs, ...size }];
  const client = cleanClient(scenario, 0, { delayMs, bytesPerMs }, [plan], expectations);
  const bend = (link: LinkConditions): LinkConditions => ({
    ...link,
    blackouts,
    lossChance,
    pathBytes: [{ from: 0, maxBytes: pathBytes }],
  });
  const { network } = client;
  const transport = { congestion, maxDatagramBytes: LARGEST_BYTES };
  const bent: ClientPlan = {
    ...client,
    transport,
    network: { ...network, toRelay: bend(network.toRelay), toClient: bend(network.toClient) },
  };
  return { ...settled(scenario, [bent]), relayTransport: transport, plannedUntil: troubleMs };
}

function drawBlackouts(kind: Kind, random: SeededRandom): Interval[] {
  const from = random.between(1_500, 3_000);
  if (kind === 'outage') return [{ from, until: from + random.magnitude(300, 3_000) }];
  if (kind !== 'bursts') return [];
  return Array.from({ length: BURSTS }, (_, i) => {
    const at = from + BURST_GAP_MS * i;
    return { from: at, until: at + random.between(10, 60) };
  });
}
