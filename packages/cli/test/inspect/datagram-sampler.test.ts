import { describe, expect, it } from 'vitest';
import { MAX_INSPECT_SAMPLES } from '../../src/inspect/inspect-limits.js';
import { InspectedPair } from './inspected-pair.js';

const look = (pair: InspectedPair) =>
  pair.sampler.take([{ name: 'vps', keypairs: pair.peer.view.keypairs, address: pair.peer.address }]);
const seenBy = (pair: InspectedPair) => look(pair).get('vps') ?? [];

describe('the sampled datagrams', () => {
  it('are none while nobody looks', () => {
    const pair = new InspectedPair();
    pair.peer.connect(0);
    pair.world.run(100);
    expect(seenBy(pair)).toEqual([]);
  });

  it('are handshake messages first, and then packets with their frames', () => {
    const pair = new InspectedPair();
    look(pair);
    pair.peer.connect(0);
    pair.world.wake('client');
    pair.world.run(25);
    expect(seenBy(pair)).toEqual([
      { id: 1, at: 0, direction: 'sent', bytes: 148, look: 'handshake', label: 'Initiation' },
      expect.objectContaining({ direction: 'received', bytes: 92, label: 'Response' }),
    ]);
    pair.send(new Uint8Array(100));
    pair.world.run(100);
    const labels = seenBy(pair).map(({ direction, label }) => `${direction} ${label}`);
    expect(labels[0]).toMatch(/^sent .*STREAM/);
    expect(labels.some((label) => /^received .*ACK/.test(label))).toBe(true);
    const [first] = [...pair.peer.view.keypairs];
    expect(first?.nextCounter).toBeGreaterThan(0);
  });

  it('are spread over a bulk transfer, and never more than the limit', () => {
    const pair = new InspectedPair();
    pair.peer.connect(0);
    pair.send(new Uint8Array(4_000_000));
    pair.world.run(500);
    look(pair);
    pair.world.run(750);
    look(pair); // now it knows how many pass
    const from = pair.world.now;
    const before = pair.peer.stats();
    pair.world.run(from + 250);
    const after = pair.peer.stats();
    const seen = seenBy(pair);
    const passed =
      after.datagramsSent + after.datagramsReceived - before.datagramsSent - before.datagramsReceived;
    expect(passed).toBeGreaterThan(4 * MAX_INSPECT_SAMPLES);
    expect(seen.length).toBeLessThanOrEqual(MAX_INSPECT_SAMPLES);
    expect(seen.length).toBeGreaterThan(MAX_INSPECT_SAMPLES / 2);
    expect((seen.at(-1)?.at ?? 0) - from).toBeGreaterThan(150);
    expect((seen[0]?.at ?? 0) - from).toBeLessThan(50);
    expect(new Set(seen.map(({ direction }) => direction))).toEqual(new Set(['sent', 'received']));
  });

  it('are not those of a peer that nobody chose', () => {
    const pair = new InspectedPair();
    pair.peer.connect(0);
    pair.world.run(100);
    pair.sampler.take([{ name: 'other', keypairs: [], address: { address: '203.0.113.9', port: 1 } }]);
    pair.send(new Uint8Array(100));
    pair.world.run(200);
    expect(pair.sampler.take([]).get('other')).toEqual([]);
  });
});
