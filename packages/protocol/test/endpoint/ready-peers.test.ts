import { describe, expect, it } from 'vitest';
import { type ReadyPeer, ReadyPeers } from '../../src/endpoint/ready-peers.js';
import { TransmitBatch } from '../../src/endpoint/transmit-batch.js';

const batch = new TransmitBatch();

/** A peer that has what a test gives it, and records what it is asked. */
class FakePeer implements ReadyPeer<string> {
  readonly asked: string[] = [];
  events: string[] = [];
  batches = 0;
  dueAt = Number.POSITIVE_INFINITY;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
  handleTimeout(now: number): void {
    this.asked.push(`timeout ${now}`);
    this.dueAt = Number.POSITIVE_INFINITY;
  }
  pollEvent(): string | undefined {
    this.asked.push('event');
    return this.events.shift();
  }
  pollTransmit(): boolean {
    this.asked.push('transmit');
    return this.batches-- > 0;
  }
  pollTimeout() {
    this.asked.push('deadline');
    return this.dueAt === Number.POSITIVE_INFINITY ? undefined : { at: this.dueAt, reason: this.name };
  }
}

/** Does what a driver does in a turn.
 *  @returns the events, in order */
function turn(ready: ReadyPeers<string>, now: number): string[] {
  const events: string[] = [];
  for (let event = ready.pollEvent(); event !== undefined; event = ready.pollEvent()) events.push(event);
  while (ready.pollTransmit(now, batch));
  ready.pollTimeout();
  return events;
}

describe('ReadyPeers', () => {
  it('asks a peer that was touched until it has no more, and then stops', () => {
    const ready = new ReadyPeers<string>();
    const peer = new FakePeer('a');
    peer.events = ['first', 'second'];
    peer.batches = 2;
    ready.touch(peer);
    expect(turn(ready, 0)).toEqual(['first', 'second']);
    const asked = ['event', 'event', 'event', 'transmit', 'transmit', 'transmit', 'deadline'];
    expect(peer.asked.splice(0)).toEqual(asked);
    turn(ready, 1); // Sending may have caused an event.
    expect(peer.asked.splice(0)).toEqual(['event']);
    turn(ready, 2);
    expect(peer.asked).toEqual([]);
  });

  it('asks a peer at its deadline, and asks for its deadline only after it was touched', () => {
    const ready = new ReadyPeers<string>();
    const [early, late] = [new FakePeer('early'), new FakePeer('late')] as const;
    early.dueAt = 10;
    late.dueAt = 20;
    for (const peer of [late, early]) ready.touch(peer);
    turn(ready, 0);
    turn(ready, 0);
    for (const peer of [late, early]) peer.asked.length = 0;
    expect(ready.pollTimeout()).toEqual({ at: 10, reason: 'early' });
    expect(early.asked.splice(0)).toEqual(['deadline']);
    ready.handleTimeout(10, []);
    turn(ready, 10);
    expect(early.asked[0]).toBe('timeout 10');
    expect(late.asked.splice(0)).toEqual(['deadline']);
    expect(ready.pollTimeout()).toEqual({ at: 20, reason: 'late' });
  });

  it('handles all deadlines that have passed in one turn', () => {
    const ready = new ReadyPeers<string>();
    const peers = [10, 20, 20, 30].map((dueAt) => Object.assign(new FakePeer(`${dueAt}`), { dueAt }));
    for (const peer of peers) ready.touch(peer);
    turn(ready, 0);
    ready.handleTimeout(20, []);
    expect(peers.map(({ asked }) => asked.includes('timeout 20'))).toEqual([true, true, true, false]);
  });

  it('lets a peer whose deadline has passed send before the timer fires, and still handle the deadline', () => {
    const ready = new ReadyPeers<string>();
    const peer = new FakePeer('a');
    peer.dueAt = 10;
    ready.touch(peer);
    turn(ready, 0);
    turn(ready, 0);
    peer.batches = 1;
    expect(ready.pollTransmit(9, batch)).toBe(false);
    expect(ready.pollTransmit(10, batch)).toBe(true);
    expect(ready.pollTimeout()?.at).toBe(10);
    ready.handleTimeout(11, []);
    expect(peer.asked).toContain('timeout 11');
  });

  it('lets the peers take turns, one event and one batch each', () => {
    const ready = new ReadyPeers<string>();
    const peers = ['a', 'b', 'c'].map((name) => new FakePeer(name));
    const order: string[] = [];
    for (const peer of peers) {
      peer.events = [1, 2, 3].map((i) => `${peer.name}${i}`);
      peer.pollTransmit = () => {
        order.push(peer.name);
        return order.length < 9;
      };
      ready.touch(peer);
    }
    expect(turn(ready, 0)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2', 'a3', 'b3', 'c3']);
    expect(order.slice(0, 9).join('')).toBe('abcabcabc');
  });

  it('asks a peer that was removed only for the events that it still has', () => {
    const ready = new ReadyPeers<string>();
    const peer = new FakePeer('a');
    peer.dueAt = 10;
    peer.batches = 5;
    ready.touch(peer);
    ready.pollTimeout();
    peer.asked.length = 0;
    peer.events = ['gone'];
    ready.retire(peer);
    expect(turn(ready, 0)).toEqual(['gone']);
    ready.handleTimeout(20, []);
    turn(ready, 20);
    expect(ready.pollTimeout()).toBeUndefined();
    expect(peer.asked).toEqual(['event', 'event']);
  });

  it('asks a peer that was removed for its events even if nothing had touched it, and for no deadline', () => {
    const ready = new ReadyPeers<string>();
    const [quiet, touched] = [new FakePeer('a'), new FakePeer('b')] as const;
    ready.touch(quiet);
    turn(ready, 0);
    turn(ready, 0);
    expect(turn(ready, 0)).toEqual([]);
    quiet.asked.length = 0;
    ready.touch(touched);
    for (const peer of [quiet, touched]) {
      peer.events = ['gone'];
      ready.retire(peer);
    }
    expect(turn(ready, 1)).toEqual(['gone', 'gone']);
    expect(ready.pollTimeout()).toBeUndefined();
    for (const peer of [quiet, touched]) expect(peer.asked).toEqual(['event', 'event']);
  });

  it('handles the timeouts of peers that others name, with those whose deadlines have changed meanwhile', () => {
    const ready = new ReadyPeers<string>();
    const [named, due] = [new FakePeer('named'), new FakePeer('due')] as const;
    due.dueAt = 10;
    ready.touch(due);
    ready.handleTimeout(10, [named]);
    for (const peer of [named, due]) expect(peer.asked).toContain('timeout 10');
  });

  it('asks again for the deadline of a peer that was touched, and only then', () => {
    const ready = new ReadyPeers<string>();
    const peer = new FakePeer('a');
    ready.touch(peer);
    expect(ready.pollTimeout()).toBeUndefined();
    peer.dueAt = 5;
    expect(ready.pollTimeout()).toBeUndefined();
    ready.touch(peer);
    expect(ready.pollTimeout()).toEqual({ at: 5, reason: 'a' });
  });

  it('has the deadline of the others when a touched peer no longer has one', () => {
    const ready = new ReadyPeers<string>();
    const [early, late] = [new FakePeer('early'), new FakePeer('late')] as const;
    early.dueAt = 10;
    late.dueAt = 20;
    for (const peer of [early, late]) ready.touch(peer);
    expect(ready.pollTimeout()).toEqual({ at: 10, reason: 'early' });
    early.dueAt = Number.POSITIVE_INFINITY;
    ready.touch(early);
    expect(ready.pollTimeout()).toEqual({ at: 20, reason: 'late' });
  });
});
