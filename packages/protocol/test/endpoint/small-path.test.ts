/** Whole transfers over paths with an MTU smaller than Ethernet's, in some cases too small for the base size. */
import { BASE_DATAGRAM_BYTES, MAX_PROBED_DATAGRAM_BYTES } from '@underpass/protocol';
import {
  createEndpointPair,
  type LinkConditions,
  Pair,
  PERFECT_LINK,
  SeededRandom,
} from '@underpass/testkit';
import { describe, expect, it } from 'vitest';

const BYTES = 400_000;
const LIMIT_MS = 60_000;

/** Uploads from the client.
 *  @returns how much arrived, and which sides reported fragments */
function upload(link: Partial<LinkConditions>) {
  const toRelay = { ...PERFECT_LINK, bytesPerMs: 1_000, queueBytes: 50_000, ...link };
  let received = 0;
  const told: string[] = [];
  let pour = (): void => {};
  const pair = new Pair({
    network: { toRelay, toClient: toRelay, moves: [] },
    random: new SeededRandom(7),
    timing: { turnDelayMs: 0, timerGrainMs: 1 },
    onViolation: (violation) => expect.unreachable(violation),
    onEvent: (side, event) => {
      if (event.type === 'path-fragments') told.push(`${side} ${event.datagramBytes}`);
      if (event.type === 'stream-writable') pour();
      if (event.type !== 'stream-opened' && event.type !== 'stream-readable') return;
      for (let bytes = event.stream.read(); bytes !== undefined; bytes = event.stream.read()) {
        received += bytes.length;
      }
    },
  });
  const { client, relay, peer } = createEndpointPair(new SeededRandom(8), () => pair.now, {
    maxDatagramBytes: MAX_PROBED_DATAGRAM_BYTES,
  });
  pair.setEndpoint('relay', relay);
  pair.setEndpoint('client', client);
  const stream = peer.openStream();
  let left = BYTES;
  pour = () => {
    while (left > 0) {
      const taken = stream?.write(new Uint8Array(Math.min(left, 65_536))) ?? 0;
      if (taken === 0) return;
      left -= taken;
    }
  };
  pour();
  pair.wake('client');
  pair.run(LIMIT_MS, () => received === BYTES);
  const receivedAt = pair.now;
  // The MTU search continues while the stream is open.
  pair.run(2 * LIMIT_MS);
  return { received, receivedAt, told };
}

function pathOf(maxBytes: number): Partial<LinkConditions> {
  return { pathBytes: [{ from: 0, maxBytes }] };
}

describe('a path with a small MTU', () => {
  it.each([500, 1000, BASE_DATAGRAM_BYTES - 1])(
    'of %i bytes carries everything in fragments, and each side reports that once (spec mtu 1.4: "MUST allow fragmentation while the current size is the base"; spec mtu 3.6)',
    (maxBytes) => {
      const { received, told } = upload(pathOf(maxBytes));
      expect(received).toBe(BYTES);
      expect(told).toHaveLength(2);
      expect(new Set(told)).toEqual(
        new Set([`client ${BASE_DATAGRAM_BYTES}`, `relay ${BASE_DATAGRAM_BYTES}`]),
      );
    },
  );

  it.each([BASE_DATAGRAM_BYTES, 1172, 1200, 1472])(
    'of %i bytes carries everything whole, and nothing is reported (spec mtu 3.6)',
    (maxBytes) => {
      const { received, told } = upload(pathOf(maxBytes));
      expect(received).toBe(BYTES);
      expect(told).toEqual([]);
    },
  );

  it('can replace a larger one during a transfer, and fragments are then allowed again (spec mtu 1.4, 4)', () => {
    const { received, receivedAt } = upload({
      pathBytes: [
        { from: 0, maxBytes: 1500 },
        { from: 200, maxBytes: 700 },
      ],
    });
    expect(received).toBe(BYTES);
    expect(receivedAt).toBeLessThan(10_000);
  });
});
