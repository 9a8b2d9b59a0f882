import {
  CLIENT_ADDRESS,
  EventQueue,
  type LinkConditions,
  PERFECT_LINK,
  PERFECT_NETWORK,
  RELAY_ADDRESS,
  SeededRandom,
  SimulatedNetwork,
  STRANGER_ADDRESS,
} from '@underpass/testkit';
import { describe, expect, test } from 'vitest';

interface Arrival {
  readonly at: number;
  readonly bytes: number[];
  readonly from: string;
}

/** Sends numbered datagrams of `bytes` bytes to the relay, one per millisecond. */
function send(count: number, link: Partial<LinkConditions>, bytes = 100) {
  const queue = new EventQueue();
  const arrivals: Arrival[] = [];
  const conditions = { ...PERFECT_NETWORK, toRelay: { ...PERFECT_LINK, ...link } };
  const network = new SimulatedNetwork(conditions, new SeededRandom(1), queue, (_to, datagram, from) => {
    arrivals.push({ at: queue.now, bytes: [...datagram], from: from.address });
  });
  for (let i = 0; i < count; i++) {
    queue.schedule(i, () => network.send('client', RELAY_ADDRESS, new Uint8Array(bytes).fill(i)));
  }
  while (queue.runNext());
  return { arrivals, counts: network.counts, numbers: arrivals.map((arrival) => arrival.bytes[0]) };
}

const inOrder = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('the network', () => {
  test('delivers everything once, in order and unaltered when it is perfect', () => {
    const { arrivals, numbers } = send(100, { delayMs: 7 });
    expect(numbers).toEqual(inOrder(100));
    expect(arrivals.map(({ at }) => at)).toEqual(inOrder(100).map((i) => i + 7));
    expect(arrivals[3]).toEqual({ at: 10, bytes: new Array(100).fill(3), from: CLIENT_ADDRESS.address });
  });

  test('loses about the configured share', () => {
    const { counts } = send(250, { lossChance: 0.2 });
    expect(counts.lost).toBeGreaterThan(25);
    expect(counts.lost).toBeLessThan(75);
    expect(counts.delivered + counts.lost).toBe(250);
  });

  test('loses in bursts', () => {
    const { numbers } = send(250, { burstChance: 0.02, burstMs: 20 });
    const missing = inOrder(250).filter((i) => !numbers.includes(i));
    const followers = missing.filter((i) => missing.includes(i + 1));
    expect(missing.length).toBeGreaterThan(5);
    expect(followers.length).toBeGreaterThan(missing.length / 2);
  });

  test('reorders when jitter exceeds the gap between two datagrams', () => {
    const { numbers } = send(100, { jitterMs: 10 });
    expect(numbers).not.toEqual(inOrder(100));
    expect([...numbers].sort((a = 0, b = 0) => a - b)).toEqual(inOrder(100));
  });

  test.each([undefined, 200])(
    'keeps the order while its delay wanders in both directions (period %s ms)',
    (periodMs) => {
      const { arrivals, numbers } = send(250, { delayMs: 40, wander: { spreadMs: 8, periodMs } });
      const delays = arrivals.map(({ at }, i) => at - i);
      expect(numbers).toEqual(inOrder(250));
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(32);
      expect(Math.min(...delays)).toBeLessThan(35);
      expect(Math.max(...delays)).toBeLessThanOrEqual(48);
      expect(Math.max(...delays)).toBeGreaterThan(45);
    },
  );

  test('duplicates', () => {
    const { numbers, counts } = send(100, { duplicateChance: 0.3, duplicateDelayMs: 20 });
    expect(counts.duplicated).toBeGreaterThan(10);
    expect(numbers).toHaveLength(100 + counts.duplicated);
  });

  test('corrupts bytes or the length', () => {
    const { arrivals, counts } = send(100, { corruptionChance: 0.5 });
    const corrupted = arrivals.filter(
      ({ at, bytes }) => bytes.length !== 100 || bytes.some((byte) => byte !== at - 10),
    );
    expect(counts.corrupted).toBeGreaterThan(20);
    expect(corrupted.length).toBeGreaterThan(counts.corrupted * 0.9);
    expect(corrupted.length).toBeLessThanOrEqual(counts.corrupted);
  });

  test('forges from an address of its own, and still delivers the genuine datagram', () => {
    const { arrivals, counts } = send(50, { forgeryChance: 1 });
    expect(counts.forged).toBe(50);
    expect(arrivals.filter(({ from }) => from === STRANGER_ADDRESS.address)).toHaveLength(50);
    expect(arrivals.filter(({ from }) => from === CLIENT_ADDRESS.address)).toHaveLength(50);
  });

  test('delays datagrams at a limited rate, and drops what does not fit into its queue', () => {
    const { arrivals, counts } = send(100, { bytesPerMs: 50, queueBytes: 1000 });
    expect(counts.lost).toBeGreaterThan(30);
    const times = arrivals.map(({ at }) => at);
    for (let i = 1; i < times.length; i++)
      expect((times[i] as number) - (times[i - 1] as number)).toBeCloseTo(2);
  });

  test('drops everything in a blackout', () => {
    const { numbers } = send(100, { blackouts: [{ from: 20, until: 60 }] });
    expect(numbers).toEqual(inOrder(100).filter((i) => i < 20 || i >= 60));
  });

  test('gives the client a new address at a move, and loses datagrams to the old one', () => {
    const queue = new EventQueue();
    const moved = { address: '203.0.113.7', port: 7 };
    const seen: string[] = [];
    const network = new SimulatedNetwork(
      { ...PERFECT_NETWORK, moves: [{ at: 50, address: moved }] },
      new SeededRandom(1),
      queue,
      (to, _datagram, from) => seen.push(`${to} from ${from.address}`),
    );
    const bytes = new Uint8Array(32);
    for (const at of [0, 45, 60]) {
      queue.schedule(at, () => {
        network.send('client', RELAY_ADDRESS, bytes);
        network.send('relay', CLIENT_ADDRESS, bytes);
      });
    }
    queue.schedule(70, () => network.send('relay', moved, bytes));
    while (queue.runNext());
    expect(seen).toEqual([
      `relay from ${CLIENT_ADDRESS.address}`,
      `client from ${RELAY_ADDRESS.address}`,
      `relay from ${CLIENT_ADDRESS.address}`,
      `relay from ${moved.address}`,
      `client from ${RELAY_ADDRESS.address}`,
    ]);
    expect(network.counts.misdirected).toBe(2);
  });

  test('is perfect once it is healed', () => {
    const queue = new EventQueue();
    let delivered = 0;
    const conditions = { ...PERFECT_NETWORK, toRelay: { ...PERFECT_LINK, lossChance: 1 } };
    const network = new SimulatedNetwork(conditions, new SeededRandom(1), queue, () => delivered++);
    network.send('client', RELAY_ADDRESS, new Uint8Array(32));
    network.heal();
    network.send('client', RELAY_ADDRESS, new Uint8Array(32));
    while (queue.runNext());
    expect(delivered).toBe(1);
  });
});
