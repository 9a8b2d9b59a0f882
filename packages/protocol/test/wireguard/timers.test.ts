import { describe, expect, it } from 'vitest';
import { SessionPair } from './session-pair.js';

const DATA = Uint8Array.of(1, 2, 3);
const NOTHING = new Uint8Array(0);

function connected(options?: ConstructorParameters<typeof SessionPair>[0]): SessionPair {
  const pair = new SessionPair(options);
  pair.connect();
  pair.takeSent();
  return pair;
}

/** When each initiation was first sent. Copies do not count. */
function initiations(pair: SessionPair): number[] {
  const first = new Map<string, number>();
  for (const { at, name, bytes } of pair.sent) {
    const ephemeral = bytes.subarray(8, 40).join();
    if (name === 'initiation' && !first.has(ephemeral)) first.set(ephemeral, at);
  }
  return [...first.values()];
}

describe('a core without a clock (spec session 1)', () => {
  it('does nothing before a timer is due, however often it is called', () => {
    const pair = connected();
    pair.send(pair.a, DATA);
    for (pair.now = 0; pair.now < 10_000; pair.now += 7) {
      pair.b.core.handleTimeout(pair.now);
      pair.exchange();
    }
    expect(pair.takeSent()).toEqual(['0 a transport']);
    expect(pair.b.core.pollTimeout()).toEqual({ at: 10_000, reason: 'passive-keepalive' });
  });

  it('handles a timer once, however late the call', () => {
    const pair = connected();
    pair.send(pair.a, DATA);
    pair.now = 60_000;
    pair.b.core.handleTimeout(pair.now);
    pair.b.core.handleTimeout(pair.now);
    pair.exchange();
    expect(pair.takeSent()).toEqual(['0 a transport', '60000 b keepalive']);
  });
});

describe('renewal', () => {
  it('starts when the initiator sends after more than 120 s (spec session 5.2)', () => {
    const pair = connected();
    pair.runUntil(120_000);
    pair.send(pair.a, DATA);
    expect(pair.takeSent()).toEqual(['120000 a transport']);
    pair.runUntil(120_001);
    pair.send(pair.a, DATA);
    expect(pair.takeSent()).toEqual([
      '120001 a transport',
      '120001 a initiation',
      '120001 b response',
      '120001 a keepalive',
    ]);
  });

  it('starts late if the limit of an unproven address held it back, once the address is proven (spec path 2)', () => {
    const pair = new SessionPair();
    pair.connect();
    pair.now = 130_000;
    pair.takeSent();
    pair.a.path.allowanceBytes = 100;
    pair.send(pair.a, new Uint8Array(8));
    expect(pair.takeSent()).toEqual(['130000 a transport']);
    pair.a.path.allowanceBytes = Infinity;
    pair.a.peer.releaseInitiation();
    pair.exchange();
    expect(pair.takeSent()).toEqual(['130000 a initiation', '130000 b response', '130000 a keepalive']);
  });

  it('does not start when the responder sends (spec session 5.2)', () => {
    const pair = connected();
    pair.runUntil(150_000);
    pair.send(pair.b, DATA);
    expect(pair.takeSent()).toEqual(['150000 b transport']);
  });

  it('starts once when the initiator receives after more than 165 s (spec session 5.3)', () => {
    const pair = connected();
    pair.runUntil(165_000);
    pair.send(pair.b, NOTHING);
    expect(initiations(pair)).toEqual([]);
    pair.deliver = ({ from }) => from === 'b';
    pair.runUntil(165_001);
    pair.send(pair.b, NOTHING);
    pair.send(pair.b, NOTHING);
    expect(initiations(pair)).toEqual([165_001]);
  });

  it('keeps a ten-minute exchange going with a handshake every two minutes', () => {
    const pair = connected();
    for (let at = 1_000; at <= 600_000; at += 1_000) {
      pair.runUntil(at);
      expect(pair.send(pair.a, DATA)).toBe(true);
      expect(pair.send(pair.b, DATA)).toBe(true);
    }
    expect(pair.a.payloads).toHaveLength(600);
    expect(pair.b.payloads).toHaveLength(600);
    expect(initiations(pair)).toHaveLength(4);
    expect([...pair.a.drops, ...pair.b.drops]).toEqual([]);
  });
});

describe('missing answers (spec session 5.4)', () => {
  it('start a handshake 15 s to 15.333 s after the first data', () => {
    const pair = connected();
    pair.deliver = () => false;
    pair.runUntil(1_000);
    pair.send(pair.a, DATA);
    pair.runUntil(10_000);
    pair.send(pair.a, DATA);
    pair.runUntil(17_000);
    const [at] = initiations(pair);
    expect(at).toBeGreaterThanOrEqual(16_000);
    expect(at).toBeLessThanOrEqual(16_333);
  });

  it('start no handshake after a keepalive', () => {
    const pair = connected();
    pair.deliver = () => false;
    pair.send(pair.a, NOTHING);
    pair.runUntil(100_000);
    expect(initiations(pair)).toEqual([]);
  });

  it('start no handshake if anything arrives in time', () => {
    const pair = connected();
    pair.send(pair.a, DATA);
    pair.runUntil(14_000);
    expect(pair.takeSent()).toEqual(['0 a transport', '10000 b keepalive']);
    pair.runUntil(100_000);
    expect(initiations(pair)).toEqual([]);
  });
});

describe('retries (spec session 5.5)', () => {
  it('come every 5 s to 5.333 s with new messages, and end after 20', () => {
    const pair = new SessionPair();
    pair.deliver = () => false;
    pair.connect();
    pair.runUntil(600_000);
    const times = initiations(pair);
    expect(times).toHaveLength(20);
    for (let i = 1; i < times.length; i++) {
      const pause = (times[i] as number) - (times[i - 1] as number);
      expect(pause).toBeGreaterThanOrEqual(5_000);
      expect(pause).toBeLessThanOrEqual(5_333);
    }
    const indices = new Set(pair.sent.map(({ bytes }) => bytes.subarray(4, 8).join()));
    expect(indices.size).toBe(20);
  });

  it('start over when there is something to send', () => {
    const pair = new SessionPair();
    pair.deliver = () => false;
    pair.connect();
    pair.runUntil(600_000);
    pair.takeSent();
    pair.connect();
    expect(pair.takeSent()).toEqual(['600000 a initiation']);
    pair.deliver = () => true;
    pair.runUntil(606_000);
    expect(pair.a.peer.sendableKeypairId(pair.now)).toBeDefined();
  });

  it('do not come sooner, however often a handshake is requested', () => {
    const pair = new SessionPair();
    pair.deliver = () => false;
    for (let at = 0; at <= 20_000; at += 100) {
      pair.runUntil(at);
      pair.connect();
    }
    const times = initiations(pair);
    expect(times.length).toBeGreaterThanOrEqual(4);
    expect(times.length).toBeLessThanOrEqual(5);
    for (let i = 1; i < times.length; i++) {
      expect((times[i] as number) - (times[i - 1] as number)).toBeGreaterThanOrEqual(5_000);
    }
  });

  it('are copied 0.4 s and 1.2 s later, and then every second (spec session 5.7)', () => {
    const pair = new SessionPair();
    pair.deliver = () => false;
    pair.connect();
    pair.runUntil(4_999);
    expect(pair.sent.map(({ at }) => at)).toEqual([0, 400, 1_200, 2_200, 3_200, 4_200]);
    expect(new Set(pair.sent.map(({ bytes }) => bytes.join())).size).toBe(1);
  });

  it('need only one copy of the initiation and one of the response to arrive, and then stop (spec session 5.7)', () => {
    const pair = new SessionPair();
    let responses = 0;
    pair.deliver = ({ at, name }) =>
      name === 'initiation' ? at >= 3_000 : name !== 'response' || ++responses === 3;
    pair.connect();
    pair.runUntil(4_900);
    expect(pair.a.peer.sendableKeypairId(pair.now)).toBeDefined();
    expect(pair.takeSent()).toEqual([
      '0 a initiation',
      '400 a initiation',
      '1200 a initiation',
      '2200 a initiation',
      '3200 a initiation',
      '3200 b response',
      '3500 b response',
      '4200 a initiation',
      '4200 b response',
      '4200 a keepalive',
    ]);
    expect(pair.b.drops).toEqual(['replayed-handshake']);
    pair.runUntil(60_000);
    expect(pair.takeSent()).toEqual([]);
  });

  it('wait for the interval when keypairs are dropped soon after a handshake', () => {
    const pair = connected();
    pair.runUntil(1_000);
    pair.a.peer.dropKeypairs();
    pair.connect();
    expect(pair.takeSent()).toEqual([]);
    pair.runUntil(6_000);
    expect(initiations(pair)).toHaveLength(1);
    expect(pair.a.peer.sendableKeypairId(pair.now)).toBeDefined();
  });
});

describe('keepalives', () => {
  it('answer data after 10 s of silence, and once more if more data came (spec session 6.2)', () => {
    const pair = connected();
    pair.runUntil(1_000);
    pair.send(pair.a, DATA);
    pair.runUntil(4_000);
    pair.send(pair.a, DATA);
    pair.runUntil(100_000);
    expect(pair.takeSent()).toEqual([
      '1000 a transport',
      '4000 a transport',
      '11000 b keepalive',
      '21000 b keepalive',
    ]);
  });

  it('are not sent if something else was (spec session 6.2)', () => {
    const pair = connected();
    pair.send(pair.a, DATA);
    pair.runUntil(9_000);
    pair.send(pair.b, DATA);
    pair.runUntil(100_000);
    expect(pair.takeSent()).toEqual(['0 a transport', '9000 b transport', '19000 a keepalive']);
  });

  it('are sent while a handshake is tried that the limit of an unproven address holds back (spec path 2)', () => {
    const pair = connected();
    pair.a.path.allowanceBytes = 100;
    pair.runUntil(20_000);
    pair.a.peer.requestHandshake(pair.now);
    pair.runUntil(21_000);
    pair.send(pair.b, DATA);
    pair.runUntil(35_000);
    expect(pair.takeSent()).toEqual(['21000 b transport', '31000 a keepalive']);
  });

  it('are not sent to an address to which no more may be sent (spec path 2)', () => {
    const pair = connected();
    pair.b.path.allowanceBytes = 31;
    pair.send(pair.a, DATA);
    pair.runUntil(30_000);
    expect(pair.takeSent().filter((line) => line.includes(' b '))).toEqual([]);
  });

  it('are not answered, so an idle pair sends nothing (spec session 6.3)', () => {
    const pair = connected();
    pair.runUntil(500_000);
    expect(pair.takeSent()).toEqual([]);
  });

  it('of the persistent kind start by themselves and continue at the interval (spec session 6.4)', () => {
    const pair = new SessionPair({ persistentKeepaliveMs: 25_000 });
    pair.runUntil(0);
    expect(pair.takeSent()).toEqual(['0 a initiation', '0 b response', '0 a keepalive']);
    pair.runUntil(60_000);
    expect(pair.takeSent()).toEqual(['25000 a keepalive', '50000 a keepalive']);
    pair.send(pair.b, DATA);
    pair.runUntil(90_000);
    expect(pair.takeSent()).toEqual(['60000 b transport', '70000 a keepalive']);
  });

  it('of the persistent kind go on after a time in which nothing could be sent (spec session 6.4)', () => {
    const pair = new SessionPair({ persistentKeepaliveMs: 25_000 });
    pair.runUntil(0);
    pair.takeSent();
    pair.a.path.allowanceBytes = 0;
    pair.runUntil(60_000);
    expect(pair.takeSent()).toEqual([]);
    pair.a.path.allowanceBytes = Infinity;
    pair.runUntil(110_000);
    expect(pair.takeSent().map((line) => line.replace(/^\d+ /, ''))).toEqual(['a keepalive', 'a keepalive']);
  });

  it('of the persistent kind are refused outside 1 s to 65535 s (spec session 6.4)', () => {
    expect(() => new SessionPair({ persistentKeepaliveMs: 999 })).toThrow('persistent keepalive');
    expect(() => new SessionPair({ persistentKeepaliveMs: 65_535_001 })).toThrow('persistent keepalive');
  });
});

describe('wiping (spec session 8.1)', () => {
  it('destroys a keypair when it is 180 s old', () => {
    const pair = connected();
    pair.deliver = () => false;
    const packets = [1, 2].map(() => {
      pair.send(pair.a, DATA);
      return pair.sent.at(-1)?.bytes as Uint8Array;
    });
    pair.runUntil(179_999);
    pair.receive(pair.b, packets[0]?.slice() as Uint8Array, pair.a.address);
    pair.runUntil(180_000);
    pair.receive(pair.b, packets[1]?.slice() as Uint8Array, pair.a.address);
    expect([pair.b.payloads.length, pair.b.drops]).toEqual([1, ['unknown-index']]);
  });

  it('forgets the indices of dropped keypairs', () => {
    const pair = connected();
    pair.b.peer.dropKeypairs();
    pair.send(pair.a, DATA);
    expect(pair.b.drops).toEqual(['unknown-index']);
  });

  it('leaves nothing of a removed peer: no keys, no timers, and its handshakes are refused', () => {
    const pair = connected();
    pair.b.core.removePeer(pair.b.peer);
    pair.send(pair.a, DATA);
    expect(pair.b.drops).toEqual(['unknown-index']);
    pair.runUntil(30_000);
    expect(pair.b.drops).toContain('unknown-peer');
    expect(pair.b.core.pollTimeout()).toBeUndefined();
  });
});
