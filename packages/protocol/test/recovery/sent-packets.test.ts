import { describe, expect, test } from 'vitest';
import { PacketKind, PacketState, SentPackets } from '../../src/recovery/sent-packets.js';
import { MAX_SENT_PACKETS } from '../../src/transport-constants.js';

function filledTo(count: number): SentPackets {
  const sent = new SentPackets();
  while (sent.next < count) sent.push(0, 1200, PacketKind.ackEliciting);
  return sent;
}

describe('sent packets', () => {
  test('say that they are full before the ring is', () => {
    const sent = filledTo(MAX_SENT_PACKETS - 3);
    while (!sent.isFull) sent.push(0, 1200, PacketKind.ackEliciting);
    expect(sent.next).toBeLessThan(MAX_SENT_PACKETS);
    expect(sent.capacity).toBe(MAX_SENT_PACKETS);
    expect(sent.state(0)).toBe(PacketState.outstanding);
  });

  test('have room for a packet and the number skipped before it for as long as they are not full', () => {
    const sent = filledTo(MAX_SENT_PACKETS - 3);
    expect(sent.isFull).toBe(false);
    sent.skip();
    expect(sent.push(0, 1200, PacketKind.ackEliciting)).toBe(MAX_SENT_PACKETS - 2);
    expect(sent.isFull).toBe(true);
    sent.skip(); // before CLOSE, which goes out even then
    expect(sent.capacity).toBe(MAX_SENT_PACKETS);
    expect(sent.state(0)).toBe(PacketState.outstanding);
  });

  test('have room again once the oldest are acknowledged', () => {
    const sent = filledTo(MAX_SENT_PACKETS - 3);
    while (!sent.isFull) sent.push(0, 1200, PacketKind.ackEliciting);
    for (let n = 0; n < 10; n++) sent.setState(n, PacketState.acknowledged);
    sent.forget(0);
    expect(sent.first).toBe(10);
    expect(sent.isFull).toBe(false);
  });
});
