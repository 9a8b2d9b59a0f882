/** What happens to packets and connections as the epochs of two processes change (spec streams 3, 8), without
 *  sessions. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type ConnectionError, ConnectionErrorCode } from '../../src/failure.js';
import { Association, type AssociationListener } from '../../src/transport/association.js';
import { DEFAULT_TRANSPORT } from '../../src/transport/config.js';
import type { Connection } from '../../src/transport/connection.js';
import { MAX_ACK_DELAY_MS } from '../../src/transport/limits.js';
import { FrameReader } from '../../src/transport/wire/frame-reader.js';
import { FrameType } from '../../src/transport/wire/frames.js';

const NOW = 1_000;
const ROOM = 1_120;

/** One process: its association, and what the association has reported. */
class Process implements AssociationListener {
  readonly reported: string[] = [];
  readonly errors: ConnectionError[] = [];
  readonly association: Association;

  constructor(role: 'client' | 'relay', seed: number) {
    const random = (length: number) => new Uint8Array(length).fill(seed);
    this.association = new Association(
      { role, transport: DEFAULT_TRANSPORT, random, reader: new FrameReader() },
      this,
    );
    this.association.connection.handleSendable(NOW, true);
  }

  onBound(): void {
    this.reported.push('bound');
  }
  onConnected(): void {
    this.reported.push('connected');
  }
  onReturned(_now: number, keypairId: number): void {
    this.reported.push(`returned under ${keypairId}`);
  }
  onEnded(connection: Connection): void {
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent()) {
      this.reported.push(event.type);
    }
  }
  onDisconnected(error: ConnectionError, lostStreams: number): void {
    this.errors.push(error);
    this.reported.push(`disconnected: ${error.reason}, ${lostStreams} streams`);
  }
  onEpochEnded(): void {
    this.reported.push('epoch ended');
  }
  onCommand(): void {}

  /** The next packet to send, or undefined. */
  packet(keypairId: number): Uint8Array | undefined {
    const bytes = new Uint8Array(ROOM);
    const length = this.association.pollPacket(NOW, keypairId, bytes, 0, ROOM);
    return length === 0 ? undefined : bytes.subarray(0, length);
  }

  /** Sends everything that it has to `other`.
   *  @returns why packets were dropped */
  sendTo(other: Process, keypairId: number): string[] {
    const drops: string[] = [];
    for (let packet = this.packet(keypairId); packet !== undefined; packet = this.packet(keypairId)) {
      const reason = other.association.handlePacket(NOW, keypairId, packet);
      if (reason !== undefined) drops.push(reason);
      if (!this.association.isClosing) continue;
      this.association.endClosing();
      break;
    }
    return drops;
  }
}

describe('Association', () => {
  let client: Process;
  let relay: Process;

  /** Exchanges the client's first packets under this keypair, and the relay's answer. */
  function greet(keypairId: number): void {
    client.association.connection.requestHello();
    expect(client.sendTo(relay, keypairId)).toEqual([]);
    expect(relay.sendTo(client, keypairId)).toEqual([]);
  }

  beforeEach(() => {
    client = new Process('client', 11);
    relay = new Process('relay', 22);
    greet(1);
    for (const { reported } of [client, relay]) expect(reported.splice(0)).toEqual(['bound', 'connected']);
  });

  it('drops packets under a keypair that no HELLO has bound (spec streams 3.2)', () => {
    client.association.openStream()?.write(Uint8Array.of(1));
    const packet = client.packet(1) as Uint8Array;
    expect(relay.association.handlePacket(NOW, 2, packet)).toBe('no-hello');
    expect(relay.association.stats.openStreams).toBe(0);
    expect(relay.association.handlePacket(NOW, 1, packet)).toBeUndefined();
    expect(relay.association.stats.openStreams).toBe(1);
  });

  it('waits for the first answer as long as the handshake suggests (spec recovery 2)', () => {
    const { association } = new Process('client', 33);
    association.connection.handleHandshakeRtt(200);
    // Half of the round trip is its variation, of which four times count (RFC 9002 §6.2.1).
    expect(association.probeTimeoutMs).toBe(200 + 4 * 100 + MAX_ACK_DELAY_MS);
  });

  it('begins a new connection when the peer restarts, after the events of the old one (spec streams 3.4)', () => {
    client.association.openStream()?.write(Uint8Array.of(1));
    client.sendTo(relay, 1);
    const before = relay.association.connection;
    expect(before.pollEvent()?.type).toBe('stream-opened');
    client = new Process('client', 33);
    greet(2);
    expect(relay.association.connection).not.toBe(before);
    expect(relay.reported).toEqual([
      'stream-readable',
      'stream-reset',
      'stream-closed',
      'disconnected: peer restarted, 1 streams',
      'bound',
      'connected',
    ]);
  });

  it('reports a run that another one has ended, and drops its packets (spec streams 3.7)', () => {
    const ended = client;
    client = new Process('client', 33);
    greet(2);
    relay.reported.length = 0;
    ended.association.connection.requestHello();
    expect(ended.sendTo(relay, 3)).toEqual(['stale-epoch']);
    expect(relay.reported).toEqual(['returned under 3']);
  });

  it('keeps totals over all connections, and ends its own epoch when either side closes one (spec streams 8)', () => {
    const stream = client.association.openStream();
    stream?.write(new Uint8Array(100));
    client.sendTo(relay, 1);
    client.association.close({ code: 0, reason: 'done' });
    expect(client.sendTo(relay, 1)).toEqual([]);
    for (const { reported } of [client, relay]) {
      const others = reported.splice(0).filter((report) => !report.startsWith('stream-'));
      expect(others).toEqual(['epoch ended', 'disconnected: done, 1 streams']);
    }
    expect([client.association.isConnected, relay.association.isConnected]).toEqual([false, false]);
    expect(relay.association.stats).toMatchObject({ streamBytesReceived: 100, openStreams: 0 });
    // From now on, the client's packets belong to another run.
    client.association.connection.handleSendable(NOW, true);
    relay.association.connection.handleSendable(NOW, true);
    greet(4);
    client.association.openStream()?.write(new Uint8Array(10));
    client.sendTo(relay, 4);
    expect(relay.association.stats).toMatchObject({ streamBytesReceived: 110, openStreams: 1 });
  });

  const CLOSED = 'closed';
  it.each<[string, readonly number[], string | undefined, string]>([
    ['no packet number', [0x01], CLOSED, 'truncated packet number'],
    ['half a packet number', [0x01, 0x40], CLOSED, 'truncated packet number'],
    ['a packet number above 2^53', [0x01, ...new Array(8).fill(0xff)], CLOSED, 'packet number too large'],
    ['a HELLO that is cut off', [0x01, 9, FrameType.hello, 40, 1], CLOSED, 'truncated frame'],
    ['an unknown frame', [0x01, 0x20, 0x3f], undefined, 'unknown frame type 0x3f'],
  ])(
    'closes the connection after a packet with %s, and takes nothing more (spec streams 1.4)',
    (_what, packet, dropped, reason) => {
      expect(relay.association.handlePacket(NOW, 1, Uint8Array.from(packet))).toBe(dropped);
      expect([relay.association.isClosing, relay.association.hasMessages]).toEqual([true, false]);
      client.association.openStream()?.write(Uint8Array.of(1));
      expect(client.sendTo(relay, 1)).toContain('closed');
      expect(relay.association.stats.openStreams).toBe(0);
      // The first error counts.
      relay.association.close({ code: 0, reason: 'another' });
      relay.sendTo(client, 1);
      expect(relay.association.isClosing).toBe(false);
      const reports = client.reported.filter((report) => report.startsWith('disconnected'));
      expect(reports).toEqual([expect.stringContaining(reason)]);
      expect(client.errors).toMatchObject([{ by: 'peer', code: ConnectionErrorCode.frameEncoding }]);
      expect(relay.reported).toContain('epoch ended');
    },
  );

  it('answers a HELLO that was meant for an earlier run with a HELLO of its own (spec streams 3.3)', () => {
    const before = relay;
    relay = new Process('relay', 44);
    client.association.connection.requestHello();
    expect(client.sendTo(relay, 2)).toContain('stale-epoch');
    expect(relay.reported).toEqual([]);
    expect(before.reported).toEqual([]);
    relay.sendTo(client, 2);
    expect(client.reported.filter((report) => !report.startsWith('stream-'))).toEqual([
      'disconnected: peer restarted, 0 streams',
      'bound',
      'connected',
    ]);
  });

  it('takes the streams that nobody has seen to the next run of the peer, with their bytes (spec streams 3.8)', () => {
    const stream = client.association.openStream();
    stream?.write(new Uint8Array(100));
    relay = new Process('relay', 44);
    relay.association.connection.requestHello();
    expect(relay.sendTo(client, 2)).toEqual([]);
    expect(client.association.stats.openStreams).toBe(1);
    expect(client.reported).toEqual(['disconnected: peer restarted, 0 streams', 'bound', 'connected']);
    client.association.connection.handleSendable(NOW, true);
    client.sendTo(relay, 2);
    expect(relay.association.stats).toMatchObject({ openStreams: 1, streamBytesReceived: 100 });
  });

  it('begins the packet with CLOSE with a HELLO if none was acknowledged under its keypair (spec streams 3.2)', () => {
    client.association.close({ code: 0, reason: 'done' });
    relay.reported.length = 0;
    expect(client.sendTo(relay, 2)).toEqual([]);
    expect(relay.reported.filter((report) => !report.startsWith('stream-'))).toEqual([
      'bound',
      'epoch ended',
      'disconnected: done, 0 streams',
    ]);
  });

  describe('that has spoken first, to a run of the client that it does not know yet', () => {
    /** A former run of the client, of which packets under keypair 1 come late. The present run has keypair 2. */
    let former: Process;

    beforeEach(() => {
      client = new Process('client', 33);
      relay = new Process('relay', 44);
      relay.association.openStream()?.write(Uint8Array.of(1));
      former = new Process('client', 55);
    });

    it('ignores the CLOSE of a run that is over, and connects with the present one (spec streams 8: "MUST ignore the whole packet")', () => {
      expect(relay.sendTo(client, 2)).toEqual([]);
      former.association.close({ code: 0, reason: 'closed' });
      expect(former.sendTo(relay, 1)).toEqual(['stale-epoch']);
      expect(relay.reported).toEqual([]);
      expect(client.sendTo(relay, 2)).toEqual([]);
      expect(relay.reported).toEqual(['bound', 'connected']);
      expect(relay.association.stats.openStreams).toBe(1);
    });

    it('takes the CLOSE of the only run that it has spoken to', () => {
      relay.packet(1);
      former.association.close({ code: 0, reason: 'closed' });
      expect(former.sendTo(relay, 1)).toEqual([]);
      expect(relay.reported).toContain('disconnected: closed, 1 streams');
    });

    it('draws a new epoch when it had met a former run, because the present one has taken its packets (spec streams 3.4: "MUST then draw a new epoch")', () => {
      expect(relay.sendTo(client, 2)).toEqual([]);
      former.association.connection.requestHello();
      expect(former.sendTo(relay, 1)).toEqual([]);
      expect(relay.reported.splice(0)).toEqual(['bound', 'connected']);
      expect(client.sendTo(relay, 2)).toEqual(['stale-epoch']);
      const others = relay.reported.filter((report) => !report.startsWith('stream-'));
      expect(others).toEqual(['epoch ended', 'disconnected: peer restarted, 1 streams']);
      expect(relay.association.isClosing).toBe(false);
    });

    it('keeps its epoch and keys for a run that has just begun, after it had met a former one (spec streams 3.4)', () => {
      expect(relay.sendTo(client, 2)).toEqual([]);
      former.association.connection.requestHello();
      expect(former.sendTo(relay, 1)).toEqual([]);
      relay.reported.length = 0;
      const next = new Process('client', 66);
      next.association.connection.requestHello();
      expect(next.sendTo(relay, 3)).toEqual([]);
      const others = relay.reported.filter((report) => !report.startsWith('stream-'));
      expect(others).toEqual(['disconnected: peer restarted, 1 streams', 'bound', 'connected']);
    });

    it('keeps its epoch if the run that it has met acknowledges its first packets, and restarts later', () => {
      // Two handshakes at the same time: the relay sends under keypair 2, and the client under keypair 1.
      expect(relay.sendTo(client, 2)).toEqual([]);
      expect(client.sendTo(relay, 1)).toEqual([]);
      expect(relay.reported.splice(0)).toEqual(['bound', 'connected']);
      client = new Process('client', 66);
      client.association.connection.requestHello();
      expect(client.sendTo(relay, 3)).toEqual([]);
      expect(relay.reported).not.toContain('epoch ended');
      expect(relay.reported.slice(-2)).toEqual(['bound', 'connected']);
    });

    it('keeps its epoch if it meets the run under the newer keypair too, and that restarts later', () => {
      relay.packet(2);
      client.association.connection.requestHello();
      expect(client.sendTo(relay, 1)).toEqual([]);
      client.association.connection.requestHello();
      expect(client.sendTo(relay, 2)).toEqual([]);
      client = new Process('client', 66);
      client.association.connection.requestHello();
      expect(client.sendTo(relay, 3)).toEqual([]);
      expect(relay.reported).not.toContain('epoch ended');
    });
  });
});
