/** A peer that misuses the messages of flows (spec datagrams). */
import { describe, expect, it } from 'vitest';
import { ConnectionErrorCode } from '../../src/failure.js';
import {
  DATAGRAM_RECEIVE_QUEUE_BYTES,
  DATAGRAM_SEND_QUEUE_BYTES,
  MAX_FRAMES_PER_PACKET,
  MAX_IDLE_PACKETS,
  MAX_OPEN_STREAMS,
} from '../../src/transport/limits.js';
import { data, datagram, HostilePeer } from './hostile-peer.js';

const { protocolViolation, streamLimit, streamState } = ConnectionErrorCode;

describe('a peer that sends messages', () => {
  it('of a stream that is not open gets them dropped and counted, and opens none (spec datagrams 2.3: "MUST drop a message whose stream is not open")', () => {
    const peer = new HostilePeer();
    expect(peer.say(datagram(4, 100))).toBeUndefined();
    expect(peer.victim.parts.streams.openStreams).toBe(0);
    expect(peer.victim.parts.streams.datagrams.counts.withoutFlow).toBe(1);
    expect(peer.events).toEqual([]);
  });

  it('of a stream that cannot exist ends the connection (spec datagrams 2.3: "MUST close the connection as for a STREAM frame")', () => {
    expect(new HostilePeer().say(datagram(1, 100))).toBe(streamState);
    expect(new HostilePeer().say(datagram(2 * MAX_OPEN_STREAMS, 100))).toBe(streamLimit);
  });

  it('that nobody reads fills a queue with a limit, and is not disconnected for it (spec datagrams 3.3: "MUST drop it")', () => {
    const peer = new HostilePeer();
    peer.say(data(0, 0, 1));
    for (let n = 0; n < 2 * MAX_IDLE_PACKETS; n++) {
      expect(peer.say(datagram(0, 1000))).toBeUndefined();
    }
    const { datagrams } = peer.victim.parts.streams;
    expect(datagrams.queuedBytes).toBeLessThanOrEqual(DATAGRAM_RECEIVE_QUEUE_BYTES);
    expect(datagrams.queuedBytes).toBeGreaterThan(DATAGRAM_RECEIVE_QUEUE_BYTES / 2);
    expect(datagrams.counts.receiveQueueFull).toBeGreaterThan(2 * MAX_IDLE_PACKETS - 300);
    expect(peer.events.filter(({ type }) => type === 'stream-datagrams').length).toBeGreaterThan(0);
  });

  it('on as many streams as it may open, stays within the same limit', () => {
    const peer = new HostilePeer();
    for (let n = 0; n < MAX_OPEN_STREAMS; n++) peer.say(data(2 * n, 0, 1));
    for (let n = 0; n < MAX_OPEN_STREAMS; n++) {
      for (let i = 0; i < 5; i++) expect(peer.say(datagram(2 * n, 1400))).toBeUndefined();
    }
    const { queuedBytes } = peer.victim.parts.streams.datagrams;
    expect(queuedBytes).toBeLessThanOrEqual(DATAGRAM_RECEIVE_QUEUE_BYTES);
  });

  it('without end to streams that do not exist is disconnected (spec streams 2.5)', () => {
    const peer = new HostilePeer();
    let packets = 0;
    while (peer.say(datagram(4, 100)) === undefined && packets < 2 * MAX_IDLE_PACKETS) packets++;
    expect(packets).toBe(MAX_IDLE_PACKETS);
  });

  it('in more frames than a packet may have is disconnected (spec streams 2.3)', () => {
    const peer = new HostilePeer();
    peer.say(data(0, 0, 1));
    const frames = Array.from({ length: MAX_FRAMES_PER_PACKET + 1 }, () => datagram(0, 0));
    expect(peer.say(...frames)).toBe(protocolViolation);
  });

  it('and grants nothing, makes the victim queue no more than the limit', () => {
    const peer = new HostilePeer();
    for (let n = 0; n < 50; n++) peer.say(data(2 * n, 0, 1));
    for (const stream of peer.opened) {
      for (let i = 0; i < 100; i++) stream.sendDatagram(peer.now, new Uint8Array(1000));
    }
    const { datagrams } = peer.victim.parts.streams;
    expect(datagrams.queuedBytes).toBeLessThanOrEqual(DATAGRAM_SEND_QUEUE_BYTES);
    expect(datagrams.counts.sendQueueFull).toBeGreaterThan(4000);
  });
});
