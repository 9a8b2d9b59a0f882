import { describe, expect, it } from 'vitest';
import { BatchSender } from '../../src/endpoint/batch-sender.js';
import type { TransportConfig } from '../../src/transport/config.js';
import { DEFAULT_TRANSPORT } from '../../src/transport/config.js';
import { composeParts } from '../../src/transport/parts.js';
import type { Path } from '../../src/transport/path/path.js';
import { PeerBudgets } from '../../src/transport/peer-budgets.js';
import { SendGate } from '../../src/transport/send-gate.js';
import type { Session } from '../../src/wireguard/session.js';
import { fill, HostilePeer, hello } from '../attacks/hostile-peer.js';

const SIZE = 1_200;
/** How many full datagrams the pacer lets out at once. */
const BURST = 10;

/** A gate over real parts, whose round trip and window are set. */
function makeGate({ windowBytes = 100 * SIZE, rttMs = 100 } = {}) {
  const config: TransportConfig = { ...DEFAULT_TRANSPORT, datagramBytes: SIZE, congestion: 'cubic' };
  const parts = composeParts(
    'client',
    config,
    (length) => new Uint8Array(length),
    new PeerBudgets(),
    () => {},
  );
  Object.defineProperty(parts.congestion, 'windowBytes', { get: () => windowBytes });
  Object.defineProperty(parts.congestion, 'isInSlowStart', { get: () => false });
  parts.recovery.rtt.smoothedMs = rttMs;
  let inFlight = 0;
  Object.defineProperty(parts.recovery, 'bytesInFlight', { get: () => inFlight });
  const gate = new SendGate(parts);
  /** Sends full datagrams while the gate permits them. @returns how many */
  const send = (now: number): number => {
    for (let sent = 0; ; sent++) {
      gate.begin(now);
      if (!gate.allows(now, true, SIZE)) return sent;
      inFlight += SIZE;
      parts.pacer.onPacketSent(SIZE);
    }
  };
  return { gate, parts, send, acknowledgeAll: () => (inFlight = 0) };
}

describe('SendGate', () => {
  it('permits no packet before the moment that the pacer names, however close that is (spec recovery 6)', () => {
    // 1.25 windows of 100 datagrams in a round trip of 100 ms are 1.25 datagrams a millisecond.
    const { gate, send, acknowledgeAll } = makeGate();
    expect(send(1)).toBe(BURST);
    const at = gate.pacedAt as number;
    expect(at).toBeCloseTo(1 + 2 / 1.25, 9);
    acknowledgeAll();
    // It names the moment for two datagrams, because a timer costs more than one. The first is due half way.
    const first = (1 + at) / 2;
    expect(send(first - 0.1)).toBe(0);
    expect(gate.pacedAt).toBeCloseTo(at, 9);
    expect(send(first - 0.001)).toBe(0);
    expect(send(at + 1e-6)).toBe(2);
  });

  it('names no moment when it is the window or the data that is missing', () => {
    const { gate, send } = makeGate({ windowBytes: 3 * SIZE });
    expect(send(1)).toBe(3);
    expect([gate.pacedAt, gate.windowLimitedAt, gate.applicationLimited]).toEqual([undefined, 1, false]);
    gate.begin(2);
    expect(gate.allows(2, false, SIZE)).toBe(false);
    expect([gate.pacedAt, gate.windowLimitedAt, gate.applicationLimited]).toEqual([undefined, 1, true]);
  });

  it('does not let in-flight bytes exceed the window by a part of a datagram (spec recovery 5.1)', () => {
    const { gate } = makeGate({ windowBytes: SIZE });
    gate.begin(1);
    expect(gate.allows(1, true, SIZE + 1)).toBe(false);
    expect(gate.allows(1, true, SIZE)).toBe(true);
  });

  it('marks the rate as limited by the application only when the window has room', () => {
    const { gate, parts, send } = makeGate({ windowBytes: 2 * SIZE });
    send(1);
    gate.begin(2);
    gate.allows(2, false, SIZE);
    expect(parts.rates.isApplicationLimited).toBe(false);
    const { gate: open, parts: others } = makeGate();
    open.begin(2);
    open.allows(2, false, SIZE);
    expect(others.rates.isApplicationLimited).toBe(true);
  });

  it('lets a sender catch up that was not run, and no idle one (spec recovery 6)', () => {
    const late = makeGate();
    late.send(1);
    late.acknowledgeAll();
    // 60 ms late: 20 of them count, beside the burst that the bucket always holds.
    expect(late.send((late.gate.pacedAt as number) + 60)).toBe(BURST + 25);
    const idle = makeGate();
    idle.send(1);
    idle.acknowledgeAll();
    idle.gate.begin(2);
    idle.gate.allows(2, false, SIZE);
    expect(idle.send(60)).toBe(BURST);
  });

  it('lets no sender catch up that something else held back (spec recovery 6)', () => {
    const { gate, send, acknowledgeAll } = makeGate();
    send(1);
    acknowledgeAll();
    gate.heldBack();
    expect(gate.pacedAt).toBeUndefined();
    expect(send(60)).toBe(BURST);
  });
});

describe('a connection with bytes to send', () => {
  /** Sends a burst, so that the pacer is what it waits for next. */
  function paced(): HostilePeer {
    const peer = new HostilePeer({ congestion: 'cubic' });
    peer.say(hello(1 << 24));
    peer.listen();
    peer.now += 100;
    peer.acknowledge(peer.received);
    Object.defineProperty(peer.victim.parts.congestion, 'windowBytes', { get: () => 1000 * SIZE });
    fill(peer.open());
    peer.listen();
    expect(peer.victim.pollTimeout()?.reason).toBe('pacing');
    return peer;
  }
  /** How many packets it sends after a long time. */
  function later(peer: HostilePeer): number {
    peer.now += 60;
    peer.victim.handleSendable(peer.now, true);
    return peer.listen().length;
  }

  it('catches up if its process was not run, but not if it had no key (spec recovery 6)', () => {
    const late = later(paced());
    const peer = paced();
    peer.victim.handleSendable(peer.now, false);
    expect(later(peer)).toBeLessThan(0.6 * late);
  });

  it('does not catch up if its path permitted nothing (spec recovery 6)', () => {
    const late = later(paced());
    const peer = paced();
    const path = { allowanceBytes: 0 };
    const sender = new BatchSender({} as Session<unknown>, path as Path);
    expect(sender.isAdmitted(peer.victim, 1)).toBe(false);
    expect(later(peer)).toBeLessThan(0.6 * late);
  });
});
