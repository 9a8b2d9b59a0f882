/** How soon a client notices that nothing gets through, and that something does again, whatever it sends in the
 *  meantime (spec outage 1, 2). */
import type { Stream } from '@underpass/protocol';
import { type NetworkConditions, PERFECT_LINK, PERFECT_NETWORK } from '@underpass/testkit';
import { describe, expect, test } from 'vitest';
import { World } from './world.js';

const BROKEN_AT = 10_000;
const MENDED_AT = 40_000;
const RESTARTED = 'disconnected peer peer restarted';

function network(roundTripMs: number, blackout = false): NetworkConditions {
  const blackouts = blackout ? [{ from: BROKEN_AT, until: MENDED_AT }] : [];
  const link = { ...PERFECT_LINK, delayMs: roundTripMs / 2, blackouts };
  return { ...PERFECT_NETWORK, toRelay: link, toClient: link };
}

/** A client that keeps writing 100 bytes to a stream that it has opened. */
class Writer {
  readonly world: World;
  readonly stream: Stream;
  readonly #everyMs: number;

  constructor(roundTripMs: number, everyMs: number, blackout = false) {
    this.world = new World(network(roundTripMs, blackout));
    this.#everyMs = everyMs;
    this.stream = this.world.open('client');
    this.runUntil(BROKEN_AT);
    expect(this.world.take('client')).toEqual(['connected']);
    expect(this.world.waits).toEqual([]);
  }

  runUntil(time: number): void {
    while (this.world.pair.now < time) {
      this.world.write('client', this.stream, 100);
      this.world.run(this.#everyMs);
    }
  }

  /** Bytes that the relay can read and could not before. */
  bytesAtRelay(): number {
    const stream = this.world.incoming.relay[0] as Stream;
    let bytes = 0;
    for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) bytes += chunk.length;
    return bytes;
  }

  /** How long after `since` the client reported an event of that type; Infinity if it did not. */
  waitedFor(type: 'waiting' | 'resumed', since: number): number {
    const wait = this.world.waits.find((wait) => wait.side === 'client' && wait.type === type);
    return (wait?.at ?? Number.POSITIVE_INFINITY) - since;
  }
}

const CASES = [0, 100, 300].flatMap((roundTripMs) => [100, 500].map((everyMs) => ({ roundTripMs, everyMs })));

describe.each(CASES)('with a round trip of $roundTripMs ms and a write every $everyMs ms', (given) => {
  const { roundTripMs, everyMs } = given;

  test('a dead path is reported within 3 s, and bytes flow within 2 s of its return (spec outage 1, 2: "within 3 s of the answer becoming due")', () => {
    const writer = new Writer(roundTripMs, everyMs, true);
    writer.runUntil(MENDED_AT);
    expect(writer.waitedFor('waiting', BROKEN_AT)).toBeLessThan(3_000);
    writer.bytesAtRelay();
    writer.runUntil(MENDED_AT + 2_000);
    expect(writer.waitedFor('resumed', MENDED_AT)).toBeLessThan(2_000);
    expect(writer.bytesAtRelay()).toBeGreaterThan(0);
    expect(writer.world.take('client')).toEqual([]);
  });

  test('a relay that is gone is reported within 3 s, and its next run is noticed within 2 s (spec outage 1, 2)', () => {
    const writer = new Writer(roundTripMs, everyMs);
    writer.world.pair.setEndpoint('relay', undefined);
    writer.runUntil(MENDED_AT);
    expect(writer.waitedFor('waiting', BROKEN_AT)).toBeLessThan(3_000);
    writer.world.start('relay');
    writer.runUntil(MENDED_AT + 2_000);
    expect(writer.world.take('client')).toContain(RESTARTED);
  });

  test('a new connection reaches the next run of a relay within 2 s of its start (spec outage 1)', () => {
    const writer = new Writer(roundTripMs, everyMs);
    const { world } = writer;
    world.pair.setEndpoint('relay', undefined);
    writer.runUntil(MENDED_AT);
    world.start('relay');
    world.take('client');
    world.incoming.relay.length = 0;
    while (world.pair.now < MENDED_AT + 2_000 && !world.events.client.includes(RESTARTED)) {
      world.run(20);
    }
    world.open('client');
    world.run(MENDED_AT + 2_000 - world.pair.now);
    expect(writer.bytesAtRelay()).toBeGreaterThan(0);
  });

  test('a relay that restarts at once is noticed within 2 s (spec recovery 4.1: "when an answer has been due")', () => {
    const writer = new Writer(roundTripMs, everyMs);
    writer.world.start('relay');
    writer.runUntil(BROKEN_AT + 2_000);
    expect(writer.world.take('client')).toContain(RESTARTED);
    expect(writer.world.waits).toEqual([]);
  });
});

test('on a short path, a restarted relay is noticed long before an answer has been due for a second (spec recovery 4.1: "after three expiries in a row")', () => {
  const writer = new Writer(0, 100);
  writer.world.start('relay');
  writer.runUntil(BROKEN_AT + 500);
  expect(writer.world.take('client')).toContain(RESTARTED);
});

test('a relay that is gone is reported, although the keys ran out before there was anything to send (spec outage 2)', () => {
  const world = new World(network(100));
  world.run(200_000);
  expect(world.take('client')).toEqual(['connected']);
  expect(world.peers.client.view.keypairs).toEqual([]);
  world.pair.setEndpoint('relay', undefined);
  const askedAt = world.pair.now;
  world.open('client');
  world.run(10_000);
  expect(world.waits).toEqual([{ side: 'client', type: 'waiting', at: expect.any(Number) }]);
  const waitedMs = (world.waits[0]?.at ?? 0) - askedAt;
  expect(waitedMs).toBeGreaterThan(1_000);
  expect(waitedMs).toBeLessThan(3_000);
  expect(world.peers.client.stats().waitingSince).toBe(askedAt);
});

test.each([300, 500, 1_000])(
  'a client whose last probe of the MTU search is lost after its last stream waits for nothing, %i ms after the start (spec outage 2)',
  (closedAt) => {
    const { toRelay, toClient } = network(100);
    const pathBytes = [{ from: 0, maxBytes: 1_400 }];
    const largest = { maxDatagramBytes: 1_472 };
    const world = new World(
      { ...PERFECT_NETWORK, toRelay: { ...toRelay, pathBytes }, toClient },
      { client: largest, relay: largest },
    );
    const ends = [world.open('client')];
    world.run(closedAt);
    ends.push(world.incoming.relay[0] as Stream);
    for (const end of ends) end.finish();
    for (const side of ['client', 'relay'] as const) world.pair.wake(side);
    world.run(50);
    const { packetsLost } = world.peers.client.stats();
    for (const end of ends) while (end.read() !== undefined);
    world.run(10_000);
    const stats = world.peers.client.stats();
    expect(stats).toMatchObject({ packetsLost: packetsLost + 1, openStreams: 0, handshakes: 1 });
    expect(world.waits).toEqual([]);
  },
);
