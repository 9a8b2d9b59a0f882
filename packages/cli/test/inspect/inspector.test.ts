import { MAX_SHOWN_STREAMS, type PeerSnapshot, type Snapshot, snapshotPeer } from '@underpass/trace';
import { describe, expect, it } from 'vitest';
import {
  INSPECT_INTERVAL_MS,
  MAX_INSPECT_PEERS,
  MAX_INSPECT_SAMPLES,
  MAX_INSPECT_SHARE,
  MAX_SNAPSHOT_BYTES,
} from '../../src/inspect/inspect-limits.js';
import type { InspectedPeer, InspectedProcess } from '../../src/inspect/inspected-process.js';
import { Inspector, type Viewer } from '../../src/inspect/inspector.js';
import { InspectedPair } from './inspected-pair.js';

/** A viewer, and timers that fire when the test says so. */
function inspect(pair: InspectedPair, process: InspectedProcess = pair.process, cost = () => 0) {
  const timers = new Map<object, { readonly callback: () => void; readonly delayMs: number }>();
  let spentMs = 0;
  const inspector = new Inspector({
    process: {
      process: process.process,
      peers() {
        spentMs += cost();
        return process.peers();
      },
    },
    sampler: pair.sampler,
    now: () => pair.world.now,
    cpuMs: () => spentMs,
    timers: {
      set(callback, delayMs) {
        const timer = {};
        timers.set(timer, { callback, delayMs });
        return timer;
      },
      clear: (timer) => void timers.delete(timer),
    },
  });
  const texts: string[] = [];
  return {
    inspector,
    texts,
    timers,
    viewer: (peer?: string): Viewer => ({ peer, onSnapshot: (text) => void texts.push(text) }),
    latest: (): Snapshot => JSON.parse(texts.at(-1) ?? ''),
    /** @returns how long the timer was */
    fire(): number {
      const [[timer, { callback, delayMs }] = [{}, { callback: () => {}, delayMs: 0 }]] = [...timers];
      timers.delete(timer);
      pair.world.run(pair.world.now + delayMs);
      callback();
      return delayMs;
    },
  };
}

describe('the inspector', () => {
  it('shows the peer, its keypairs, timers and streams, and follows a transfer', () => {
    const pair = new InspectedPair();
    const { inspector, viewer, latest, fire } = inspect(pair);
    pair.peer.connect(0);
    pair.world.run(50);
    inspector.add(viewer('vps'));
    expect(latest()).toMatchObject({
      process: { kind: 'client', name: 'vps' },
      intervalMs: INSPECT_INTERVAL_MS,
      peers: [{ name: 'vps', isConnected: true }],
      peer: { name: 'vps', keypairs: [{ slot: 'current' }], streams: [] },
    });
    pair.send(new Uint8Array(4_000_000));
    fire();
    const during = latest();
    expect(during.peer?.streams).toEqual([expect.objectContaining({ id: 0, target: 'localhost:80' })]);
    expect(during.peer?.recovery?.bytesInFlight).toBeGreaterThan(0);
    expect(during.peer?.timers.length).toBeGreaterThan(0);
    expect(during.datagrams.length).toBeGreaterThan(0);
    fire();
    expect(latest().peer?.streams[0]?.sending.acknowledged).toBeGreaterThan(
      during.peer?.streams[0]?.sending.acknowledged ?? 0,
    );
  });

  it('shows no key and no byte of a stream', () => {
    const pair = new InspectedPair();
    const { inspector, viewer, texts, fire } = inspect(pair);
    pair.peer.connect(0);
    pair.world.run(50);
    inspector.add(viewer());
    const secret = new TextEncoder().encode('the payload is nobody else’s business. '.repeat(2000));
    pair.send(secret);
    for (let i = 0; i < 8; i++) fire();
    expect(pair.received).toBe(secret.length);
    expect(pair.secrets.length).toBeGreaterThan(4);
    const shown = texts.join('\n');
    expect(shown).toContain('STREAM');
    for (const text of [shown, Buffer.from(shown, 'base64').toString('latin1')]) {
      expect(text).not.toContain('business');
    }
    for (const key of pair.secrets) {
      for (const form of ['hex', 'base64', 'base64url'] as const) {
        expect(shown).not.toContain(Buffer.from(key).toString(form).slice(0, 20));
      }
      expect(shown).not.toContain([...key.subarray(0, 8)].join(','));
    }
  });

  it('reads and samples nothing while nobody looks', () => {
    const pair = new InspectedPair();
    let reads = 0;
    const { process: about, peers } = pair.process;
    const process = {
      process: about,
      peers() {
        reads++;
        return peers();
      },
    };
    const { inspector, viewer, timers } = inspect(pair, process);
    expect([reads, timers.size]).toEqual([0, 0]);
    const end = inspector.add(viewer());
    expect([reads, timers.size]).toEqual([1, 1]);
    end();
    expect(timers.size).toBe(0);
    pair.peer.connect(0);
    pair.world.run(100);
    expect(pair.sampler.take([])).toEqual(new Map());
  });

  it('makes snapshots less often if they take much processor time', () => {
    const pair = new InspectedPair();
    let costMs = 0;
    const { inspector, viewer, fire } = inspect(pair, pair.process, () => costMs);
    inspector.add(viewer());
    expect(fire()).toBe(INSPECT_INTERVAL_MS);
    costMs = 10;
    expect(fire()).toBe(INSPECT_INTERVAL_MS);
    expect(fire()).toBe(10 / MAX_INSPECT_SHARE);
    costMs = 0;
    expect(fire()).toBe(10 / MAX_INSPECT_SHARE);
    expect(fire()).toBe(INSPECT_INTERVAL_MS);
  });

  it('makes no more snapshots for viewers who come and go', () => {
    const pair = new InspectedPair();
    const { inspector, viewer, texts, fire } = inspect(pair);
    for (let i = 0; i < 10; i++) inspector.add(viewer())();
    expect(texts).toHaveLength(1);
    inspector.add(viewer());
    inspector.add(viewer());
    fire();
    expect(texts).toHaveLength(3);
  });

  it('shows each viewer the peer that it chose, and none of a name that does not exist', () => {
    const pair = new InspectedPair();
    const { peers, process } = pair.process;
    const several = () => ['a', 'b'].map((name) => ({ ...(peers()[0] as InspectedPeer), name }));
    const { inspector, viewer, texts, fire } = inspect(pair, { process, peers: several });
    inspector.add(viewer('a'));
    inspector.add(viewer('b'));
    inspector.add(viewer('gone'));
    fire();
    const names = texts.slice(-3).map((text) => (JSON.parse(text) as Snapshot).peer?.name);
    expect(names).toEqual(['a', 'b', undefined]);
  });

  it('goes on for those who stay, and ends with the last, even while it shows', () => {
    const pair = new InspectedPair();
    const { inspector, viewer, texts, timers, fire } = inspect(pair);
    const [first, second] = [inspector.add(viewer()), inspector.add(viewer())];
    first();
    first();
    expect(timers.size).toBe(1);
    texts.length = 0;
    fire();
    expect(texts).toHaveLength(1);
    second();
    expect(timers.size).toBe(0);
    const end = inspector.add({ peer: undefined, onSnapshot: () => end() });
    fire();
    expect(timers.size).toBe(0);
  });

  it('shows no more and leaves no timer when it is closed', () => {
    const pair = new InspectedPair();
    const { inspector, viewer, timers } = inspect(pair);
    inspector.add(viewer());
    inspector.add(viewer());
    inspector.close();
    expect(timers.size).toBe(0);
  });

  it('lists the peers that were heard, makes that list no more often than every 2 s, and keeps it bounded', () => {
    const pair = new InspectedPair();
    let looks = 0;
    const stats = (connected: boolean, datagramsReceived: number) => () => {
      looks++;
      return { connected, datagramsReceived };
    };
    const aPeer = (name: string, ...parameters: Parameters<typeof stats>) =>
      ({ name, peer: { stats: stats(...parameters) }, targets: () => new Map() }) as unknown as InspectedPeer;
    const all = [aPeer('silent', false, 0), aPeer('gone', false, 1)];
    for (let i = 0; i < MAX_INSPECT_PEERS + 2; i++) all.push(aPeer(`p${i}`, true, 1));
    const { process } = pair.process;
    const { inspector, viewer, latest, fire } = inspect(pair, { process, peers: () => all });
    inspector.add(viewer('nobody'));
    const { peers, peersNotListed } = latest();
    expect(peers.slice(0, 2)).toEqual([
      { name: 'gone', isConnected: false },
      { name: 'p0', isConnected: true },
    ]);
    expect([peers.length, peersNotListed]).toEqual([MAX_INSPECT_PEERS, 3]);
    looks = 0;
    all.splice(2);
    for (let ms = INSPECT_INTERVAL_MS; ms < 2_000; ms += INSPECT_INTERVAL_MS) fire();
    expect([looks, latest().peers.length]).toEqual([0, MAX_INSPECT_PEERS]);
    fire();
    expect([looks, latest().peers, latest().peersNotListed]).toEqual([
      2,
      [{ name: 'gone', isConnected: false }],
      0,
    ]);
  });

  it('shows those who chose none the first that was heard, else the first, and none if there is none', () => {
    const pair = new InspectedPair();
    const { process, peers } = pair.process;
    const [real] = peers();
    const silent = { name: 'silent', peer: { stats: () => ({ datagramsReceived: 0 }) } };
    const shownOf = (...all: readonly unknown[]) => {
      const { inspector, viewer, latest } = inspect(pair, { process, peers: () => all as InspectedPeer[] });
      inspector.add(viewer());
      return latest();
    };
    expect(shownOf().peer).toBeUndefined();
    expect(shownOf().datagrams).toEqual([]);
    expect(shownOf(real, silent).peer?.name).toBe('vps');
    pair.peer.connect(0);
    pair.world.run(50);
    expect(shownOf(silent, real).peer?.name).toBe('vps');
  });

  it('reads a peer once for all who look at it', () => {
    const pair = new InspectedPair();
    const { process, peers } = pair.process;
    let reads = 0;
    const targets = () => {
      reads++;
      return new Map([[0, 'localhost:80']]);
    };
    const all = peers().map((one) => ({ ...one, targets }));
    const { inspector, viewer, texts, fire } = inspect(pair, { process, peers: () => all });
    for (const peer of ['vps', undefined, 'vps']) inspector.add(viewer(peer));
    texts.length = 0;
    reads = 0;
    fire();
    expect([reads, texts.length, new Set(texts).size]).toEqual([1, 3, 1]);
  });

  it('never makes a snapshot that is longer than the limit', () => {
    const pair = new InspectedPair();
    pair.peer.connect(0);
    pair.world.run(50);
    for (let i = 0; i < MAX_SHOWN_STREAMS + 1; i++) pair.send(new Uint8Array(10));
    const target = 'h'.repeat(253);
    const name = 'n'.repeat(64);
    const peer = snapshotPeer(name, pair.peer, () => target);
    expect([peer.streams.length, peer.streamsNotListed]).toEqual([MAX_SHOWN_STREAMS, 1]);
    const largest = withLargestNumbers({
      process: pair.process.process,
      nowMs: 0,
      intervalMs: 0,
      peers: new Array(MAX_INSPECT_PEERS).fill({ name, isConnected: false }),
      peersNotListed: 0,
      peer: { ...peer, keypairs: new Array(3).fill(peer.keypairs[0]) } as PeerSnapshot,
      datagrams: new Array(MAX_INSPECT_SAMPLES).fill({
        ...{ id: 0, at: 0, direction: 'received', bytes: 0, look: 'handshake', packetNumber: 0 },
        label: 'l'.repeat(300), // the names of all frames
      }),
    });
    expect(JSON.stringify(largest).length).toBeLessThan(MAX_SNAPSHOT_BYTES);
  });
});

function withLargestNumbers(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_key, one) =>
    typeof one === 'number' ? Number.MAX_SAFE_INTEGER + 0.1 : one,
  );
}
