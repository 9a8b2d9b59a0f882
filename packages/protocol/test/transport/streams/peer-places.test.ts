/** Which places of streams a peer gets back, and when (spec streams 5.4). */
import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../../src/token-bucket.js';
import { PeerPlaces } from '../../../src/transport/streams/peer-places.js';
import type { Stream } from '../../../src/transport/streams/stream.js';
import { data, HostilePeer, reset, stop } from '../../attacks/hostile-peer.js';

/** Far more than the streams that a peer may give up at once. */
const STREAMS = 3000;

/** Lets a peer open streams one after the other, and end each in the same way.
 *  @param end ends a stream of which one byte has arrived
 *  @returns how many more streams the peer may open afterwards, a millisecond for each later */
function placesGivenBack(end: (peer: HostilePeer, stream: Stream) => void): number {
  const peer = new HostilePeer();
  const before = peer.limits;
  for (let n = 0; n < Math.min(STREAMS, peer.limits); n++) {
    peer.events.length = 0;
    peer.now++;
    peer.victim.handleTimeout(peer.now);
    peer.say(data(2 * n, 0, 1));
    end(peer, peer.opened[0] as Stream);
    const from = peer.received.length;
    peer.listen();
    peer.acknowledge(peer.received.slice(from));
  }
  return peer.limits - before;
}

describe('the place of a stream', () => {
  it('that both sides ended is given back at once, however many there are', () => {
    const givenBack = placesGivenBack((peer, stream) => {
      peer.say(data(stream.id, 1, 0, true));
      stream.read();
      stream.finish();
    });
    expect(givenBack).toBe(STREAMS);
  });

  it('that the peer gave up before we answered is given back slowly', () => {
    const givenBack = placesGivenBack((peer, stream) => {
      peer.say(reset(stream.id, 1));
      peer.say(stop(stream.id));
    });
    expect(givenBack).toBeLessThan(0.75 * STREAMS);
  });

  it('that waits for the budget is due as soon as the budget permits it, even if it is the only one', () => {
    const budget = new TokenBucket(1, 10);
    let requests = 0;
    const places = new PeerPlaces(5, budget, { requestMaxStreams: () => requests++ });
    expect(budget.take(0)).toBe(true);
    places.giveBack(true);
    places.replenish(0);
    expect([places.granted, requests]).toEqual([5, 0]);
    const due = places.pollTimeout();
    expect(due).toEqual({ at: budget.readyAt, reason: 'stream budget' });
    places.replenish(due?.at ?? 0);
    expect([places.granted, requests, places.pollTimeout()]).toEqual([6, 1, undefined]);
  });
});
