/** Messages of flows in batches, which the system can cut into datagrams (spec datagrams 2). */
import { TransmitBatch } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { World } from './world.js';

/** A world with a flow of the client, over which everything has been acknowledged. */
function withFlow() {
  const world = new World();
  const flow = world.open('client');
  world.pair.run(world.pair.now + 5_000);
  const send = (...lengths: readonly number[]) => {
    for (const length of lengths) flow.sendDatagram(world.pair.now, new Uint8Array(length));
  };
  const poll = () => {
    const batch = new TransmitBatch();
    if (!world.endpoints.client.pollTransmit(world.pair.now, batch)) return undefined;
    const count = Math.ceil(batch.lengthBytes / batch.segmentBytes);
    return { count, segmentBytes: batch.segmentBytes, lengthBytes: batch.lengthBytes };
  };
  const sent = () => world.peers.client.stats().flowDatagrams.sent;
  return { send, poll, sent };
}

describe('a batch with messages', () => {
  it('has one datagram for each, if they are of one size', () => {
    const { send, poll, sent } = withFlow();
    send(...Array.from({ length: 8 }, () => 600));
    // The first datagram has an ACK too, so the second one is shorter and ends its batch.
    const batches = [poll(), poll()];
    expect(batches.map((batch) => batch?.count)).toEqual([2, 6]);
    expect(batches[1]?.lengthBytes).toBe(6 * (batches[1]?.segmentBytes ?? 0));
    expect([sent(), poll()]).toEqual([8, undefined]);
  });

  it('ends with a shorter one, or before a longer one, which is not dropped', () => {
    const { send, poll, sent } = withFlow();
    send(700, 700, 300, 700, 1000);
    expect(poll()).toMatchObject({ count: 3 });
    expect(poll()).toMatchObject({ count: 1 });
    expect(poll()).toMatchObject({ count: 1 });
    expect([sent(), poll()]).toEqual([5, undefined]);
  });

  it('has several messages in a datagram where they fit', () => {
    const { send, poll, sent } = withFlow();
    send(...Array.from({ length: 30 }, () => 50));
    const first = poll();
    expect(first?.count).toBeLessThanOrEqual(3);
    expect([sent(), poll()]).toEqual([30, undefined]);
  });
});
