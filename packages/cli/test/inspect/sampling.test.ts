/** The bounds of what the inspector looks at: which datagrams are sampled, which peers are listed and shown, and when.
 *  No tunnel runs here. */
import { HEADER_BYTES, MessageType, TAG_BYTES, TransportOffset } from '@underpass/protocol';
import type { Snapshot } from '@underpass/trace';
import { describe, expect, it } from 'vitest';
import { DatagramSampler } from '../../src/inspect/datagram-sampler.js';
import {
  INSPECT_INTERVAL_MS,
  MAX_INSPECT_PEERS,
  MAX_INSPECT_SAMPLES,
} from '../../src/inspect/inspect-limits.js';
import type { InspectedPeer } from '../../src/inspect/inspected-process.js';
import { Inspector, type Viewer } from '../../src/inspect/inspector.js';
import { InspectedPair } from './inspected-pair.js';

const HERE = { address: '::', port: 1 };
const THERE = { address: '192.0.2.1', port: 2 };
const ELSEWHERE = { address: '192.0.2.1', port: 3 };
const INITIATION = new Uint8Array(148).fill(MessageType.initiation, 0, 1);

/** An opened keepalive for that receiver. */
function transport(receiverIndex: number): Uint8Array {
  const message = Buffer.alloc(HEADER_BYTES + TAG_BYTES);
  message[0] = MessageType.transport;
  message.writeUInt32LE(receiverIndex, TransportOffset.receiverIndex);
  return message;
}

function sample(now = () => 0) {
  const sampler = new DatagramSampler(now);
  const peers = [
    { name: 'a', keypairs: [{ localIndex: 1, remoteIndex: 2 }], address: THERE },
    { name: 'b', keypairs: [], address: undefined },
  ];
  const take = () => sampler.take(peers).get('a') ?? [];
  /** @returns which of these messages it wanted, after it was given them */
  const pass = (count: number): number[] => {
    const wanted: number[] = [];
    for (let n = 0; n < count; n++) {
      if (!sampler.wants('sent', 2)) continue;
      wanted.push(n);
      sampler.onMessage('sent', transport(2));
    }
    return wanted;
  };
  return { sampler, take, pass };
}

describe('a sampler', () => {
  it('wants the messages of a chosen peer in both directions, by the index of their receiver', () => {
    const { sampler, take } = sample();
    const wants = () =>
      (['sent', 'received'] as const).flatMap((direction) =>
        [1, 2, 3].map((i) => sampler.wants(direction, i)),
      );
    expect(wants()).toEqual(Array(6).fill(false));
    take();
    expect(wants()).toEqual([false, true, false, true, false, false]);
    sampler.onMessage('received', transport(1));
    sampler.onMessage('received', transport(2)); // nobody's
    expect(take().map(({ direction }) => direction)).toEqual(['received']);
    sampler.take([]);
    expect(wants()).toEqual(Array(6).fill(false));
  });

  it('takes all while few pass, up to the limit, and then every nth of as many as passed before', () => {
    const { take, pass } = sample();
    take();
    expect(pass(MAX_INSPECT_SAMPLES)).toHaveLength(MAX_INSPECT_SAMPLES);
    expect(pass(1)).toEqual([]);
    expect(take()).toHaveLength(MAX_INSPECT_SAMPLES);
    // One more than the limit passed, so it takes every second one now.
    expect(pass(6)).toEqual([1, 3, 5]);
    expect(take()).toHaveLength(3);
    expect(pass(2)).toEqual([0, 1]);
  });

  it('counts its samples, and notes the time and size of each', () => {
    let now = 5;
    const { sampler, take } = sample(() => now);
    take();
    sampler.onMessage('sent', transport(2));
    now = 7;
    sampler.onReceived(INITIATION, THERE);
    expect(take()).toMatchObject([
      { id: 1, at: 5, direction: 'sent', bytes: HEADER_BYTES + TAG_BYTES },
      { id: 2, at: 7, direction: 'received', bytes: 148, look: 'handshake' },
    ]);
    expect(take()).toEqual([]);
  });

  it('takes handshakes by the address of the other end, and sees no transport message twice', () => {
    const { sampler, take } = sample();
    sampler.onSent(INITIATION, HERE, THERE); // nobody looks yet
    take();
    sampler.onSent(INITIATION, HERE, THERE);
    sampler.onReceived(INITIATION, THERE);
    sampler.onSent(INITIATION, THERE, HERE);
    sampler.onReceived(INITIATION, ELSEWHERE);
    sampler.onReceived(transport(1), THERE);
    expect(take().map(({ direction }) => direction)).toEqual(['sent', 'received']);
    for (let n = 0; n < 2 * MAX_INSPECT_SAMPLES; n++) sampler.onReceived(INITIATION, THERE);
    expect(take()).toHaveLength(MAX_INSPECT_SAMPLES);
  });
});

/** A peer of which `count` datagrams have arrived. */
function peerNamed(name: string, count = 1, connected = true): InspectedPeer {
  const pair = new InspectedPair();
  const peer = new Proxy(pair.peer, {
    get: (target, property) => {
      if (property === 'stats') return () => ({ ...target.stats(), connected, datagramsReceived: count });
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { name, peer, targets: () => new Map() };
}

function inspect(peers: () => readonly InspectedPeer[]) {
  const timers = new Map<object, { readonly callback: () => void; readonly delayMs: number }>();
  const state = { now: 0, looks: 0 };
  const sampler = new DatagramSampler(() => state.now);
  const inspector = new Inspector({
    process: {
      process: { kind: 'relay', name: 'relay', version: '0', suite: 'test', socket: 'native' },
      peers: () => {
        state.looks++;
        return peers();
      },
    },
    sampler,
    now: () => state.now,
    cpuMs: () => 0,
    timers: {
      set: (callback, delayMs) => {
        const timer = {};
        timers.set(timer, { callback, delayMs });
        return timer;
      },
      clear: (timer) => void timers.delete(timer),
    },
  });
  const seen: Snapshot[] = [];
  const viewer = (peer?: string): Viewer => ({ peer, onSnapshot: (text) => seen.push(JSON.parse(text)) });
  const fire = () => {
    const due = [...timers.values()];
    timers.clear();
    for (const { callback, delayMs } of due) {
      state.now += delayMs;
      callback();
    }
  };
  return { inspector, sampler, viewer, seen, timers, state, fire };
}

describe('an inspector', () => {
  it('lists the peers that were heard, a limited number of them, and counts the others', () => {
    const pair = peerNamed('x');
    const many = Array.from({ length: MAX_INSPECT_PEERS + 3 }, (_, i) => ({ ...pair, name: `p${i}` }));
    const { inspector, viewer, seen } = inspect(() => [
      peerNamed('silent', 0),
      peerNamed('off', 1, false),
      ...many,
    ]);
    inspector.add(viewer());
    expect(seen[0]?.peers).toHaveLength(MAX_INSPECT_PEERS);
    expect(seen[0]?.peers.slice(0, 2)).toEqual([
      { name: 'off', isConnected: false },
      { name: 'p0', isConnected: true },
    ]);
    expect(seen[0]?.peersNotListed).toBe(4);
    // A viewer who has not chosen a peer sees the first one that was heard.
    expect(seen[0]?.peer?.name).toBe('off');
  });

  it('shows the first peer if none was heard, and none if there is none', () => {
    const first = inspect(() => [peerNamed('silent', 0)]);
    first.inspector.add(first.viewer());
    expect([first.seen[0]?.peers, first.seen[0]?.peer?.name]).toEqual([[], 'silent']);
    const none = inspect(() => []);
    none.inspector.add(none.viewer());
    expect(none.seen[0]).toMatchObject({ peers: [], peersNotListed: 0, datagrams: [] });
    expect(none.seen[0]).not.toHaveProperty('peer');
  });

  it('makes the list of peers again every 2 s', () => {
    let names = ['a'];
    const { inspector, viewer, seen, fire, state } = inspect(() => names.map((name) => peerNamed(name)));
    inspector.add(viewer());
    names = ['a', 'b'];
    while (state.now + INSPECT_INTERVAL_MS < 2000) fire();
    expect(seen.at(-1)?.peers).toHaveLength(1);
    fire();
    expect([state.now, seen.at(-1)?.peers.length]).toEqual([2000, 2]);
  });

  it('makes one snapshot for all who look at the same peer, with what was sampled of it', () => {
    const both = ['a', 'b'].map((name) => peerNamed(name));
    const { inspector, viewer, seen, fire, state, sampler } = inspect(() => both);
    for (const peer of ['a', 'b', 'b', undefined]) inspector.add(viewer(peer));
    fire();
    expect(state.looks).toBe(2);
    const address = both[0]?.peer.address ?? HERE;
    sampler.onReceived(INITIATION, address);
    seen.length = 0;
    fire();
    expect(seen.map(({ peer }) => peer?.name)).toEqual(['a', 'b', 'b', 'a']);
    expect(seen.map(({ datagrams }) => datagrams.length)).toEqual([1, 1, 1, 1]);
    expect(seen.map(({ nowMs, intervalMs }) => [nowMs, intervalMs])).toEqual(
      Array(4).fill([2 * INSPECT_INTERVAL_MS, INSPECT_INTERVAL_MS]),
    );
  });

  it('waits for the rest of the interval if somebody returns, and stops for good when it closes', () => {
    const { inspector, viewer, seen, timers, state, sampler } = inspect(() => [peerNamed('a')]);
    const leave = inspector.add(viewer());
    state.now = 100;
    leave();
    expect(timers.size).toBe(0);
    inspector.add(viewer());
    inspector.add(viewer());
    expect([seen.length, [...timers.values()].map(({ delayMs }) => delayMs)]).toEqual([
      1,
      [INSPECT_INTERVAL_MS - 100],
    ]);
    inspector.close();
    expect([timers.size, sampler.take([])]).toEqual([0, new Map()]);
    state.now = 100 + INSPECT_INTERVAL_MS;
    inspector.add(viewer());
    expect(seen).toHaveLength(2);
    inspector.close();
  });
});
