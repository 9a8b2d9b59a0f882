/** How long first contact takes on a lossy path: a table of docs/loss.md. A test compares it with the present code. */
import type { Stream } from '@underpass/protocol';
import { createEndpointPair } from './endpoint-pair.js';
import { PERFECT_LINK } from './simulation/network-conditions.js';
import { Pair } from './simulation/pair.js';
import { SeededRandom } from './simulation/seeded-random.js';

const CONNECT_LOSSES = [0, 0.1, 0.3, 0.5] as const;
const ROUND_TRIP_MS = 80;
const ATTEMPTS = 500;
/** WireGuard's interval between initiations, with about the mean of its jitter. */
const WIREGUARD_RETRY_MS = 5_000 + 167;
const GIVE_UP_MS = 120_000;
const PERCENTILES = [0.5, 0.9, 0.99] as const;

/** @returns milliseconds from the request for a stream to the first byte of its answer */
export function measureConnect(seed: number, lossChance: number): number {
  const random = new SeededRandom(seed);
  const link = { ...PERFECT_LINK, delayMs: ROUND_TRIP_MS / 2, lossChance };
  let answeredAt = Number.POSITIVE_INFINITY;
  const pair = new Pair({
    network: { toRelay: link, toClient: link, moves: [] },
    random: random.derive('pair'),
    onViolation: (violation) => {
      throw new Error(violation);
    },
    onEvent: (side, event) => {
      if (event.type !== 'stream-readable') return;
      const read = event.stream.read();
      if (side === 'client') answeredAt = Math.min(answeredAt, pair.now);
      else if (read !== undefined) event.stream.write(read);
    },
  });
  const { client, relay, peer } = createEndpointPair(random, () => pair.now);
  pair.setEndpoint('relay', relay);
  peer.connect(0);
  const stream = peer.openStream() as Stream;
  stream.write(new Uint8Array(100));
  pair.setEndpoint('client', client);
  pair.run(GIVE_UP_MS, () => answeredAt !== Number.POSITIVE_INFINITY);
  return answeredAt;
}

/** The same for plain WireGuard, until the keys exist, which is one round trip before an answer. An attempt succeeds
 *  when its initiation and the response both arrive. */
function wireGuardMs(lossChance: number, percentile: number): number {
  const success = (1 - lossChance) ** 2;
  const tries = success === 1 ? 1 : Math.ceil(Math.log(1 - percentile) / Math.log(1 - success));
  return (tries - 1) * WIREGUARD_RETRY_MS + 2 * ROUND_TRIP_MS;
}

/** A Markdown table of seconds to the first answer, by loss in each direction. */
export function formatConnectTable(): string {
  const lines = [
    '| loss each way | median | 9 in 10 | 99 in 100 | with initiations every 5 s only |',
    '| --- | --- | --- | --- | --- |',
  ];
  const seconds = (ms: number): string => (ms / 1000).toFixed(2);
  for (const loss of CONNECT_LOSSES) {
    const times = Array.from({ length: ATTEMPTS }, (_, i) => measureConnect(i + 1, loss)).sort(
      (a, b) => a - b,
    );
    const ours = PERCENTILES.map((p) => seconds(times[Math.ceil(p * ATTEMPTS) - 1] as number));
    const theirs = PERCENTILES.map((p) => seconds(wireGuardMs(loss, p)));
    lines.push(`| ${loss * 100} % | ${ours.join(' | ')} | ${theirs.join(', ')} |`);
  }
  return `${lines.join('\n')}\n`;
}
