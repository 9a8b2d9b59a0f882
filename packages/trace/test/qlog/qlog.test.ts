import {
  base64,
  createPortableSuite,
  FrameType,
  HEADER_BYTES,
  PACKET_TYPE,
  TAG_BYTES,
} from '@underpass/protocol';
import { type CapturedHandshake, capturedHandshakes } from '@underpass/testkit/crypto';
import { MAX_QLOG_PEERS, Qlog } from '@underpass/trace';
import { describe, expect, it } from 'vitest';
import { MAX_TRACKED_PACKETS, SentPackets } from '../../src/qlog/sent-packets.js';

const START = 1_700_000_000_000;
const RELAY = { address: '192.0.2.1', port: 51820 };
const METRICS = {
  address: RELAY,
  smoothedRttMs: 40,
  congestionWindowBytes: 11_520,
  bytesInFlight: 0,
  packetsLost: 0,
};
const suite = createPortableSuite();
const handshake = capturedHandshakes[0] as CapturedHandshake;

describe('a qlog', () => {
  it('starts with a header that qvis recognises, and is a sequence of JSON texts (RFC 7464)', () => {
    const { text, records } = recorded();
    expect([text()[0], text().at(-1)]).toEqual(['\u001e', '\n']);
    expect(records()[0]).toMatchObject({
      qlog_version: '0.3',
      qlog_format: 'JSON-SEQ',
      trace: {
        vantage_point: { type: 'client' },
        common_fields: { time_format: 'relative', reference_time: START },
      },
    });
  });

  it('logs handshakes, packets with their frames, and the packet that was lost', () => {
    const { qlog, events, records } = recorded();
    shakeHands(qlog);
    for (let n = 0; n < 4; n++)
      qlog.handleDatagram(START + 10 + n, 'sent', RELAY, sent(n, [FrameType.stream, 0, n, 1, 0x61]));
    qlog.handleMetrics(START + 20, { ...METRICS, bytesInFlight: 200 });
    // Packets 0, 2 and 3 arrived.
    qlog.handleDatagram(START + 50, 'received', RELAY, received(0, [FrameType.ack, 3, 25, 1, 1, 0, 0]));
    qlog.handleMetrics(START + 50.5, { ...METRICS, packetsLost: 1 });
    qlog.handleMetrics(START + 51, { ...METRICS, packetsLost: 1 });
    expect(events()).toEqual([
      [0, 'transport:packet_sent', 'initial', senderIndex(handshake.message1)],
      [1, 'transport:packet_received', 'handshake', senderIndex(handshake.message2)],
      [10, 'transport:packet_sent', '1RTT', 0],
      [11, 'transport:packet_sent', '1RTT', 1],
      [12, 'transport:packet_sent', '1RTT', 2],
      [13, 'transport:packet_sent', '1RTT', 3],
      [20, 'recovery:metrics_updated', undefined, undefined],
      [50, 'transport:packet_received', '1RTT', 0],
      [50.5, 'recovery:packet_lost', '1RTT', 1],
      [50.5, 'recovery:metrics_updated', undefined, undefined],
    ]);
    const logged = records();
    expect(logged[4]?.data.frames).toEqual([
      { frame_type: 'stream', stream_id: 0, offset: 1, length: 1, fin: false },
    ]);
    expect(logged[8]?.data.frames).toEqual([
      {
        frame_type: 'ack',
        ack_delay: 0.2,
        acked_ranges: [
          [0, 0],
          [2, 3],
        ],
      },
    ]);
    expect(logged[10]?.data).toEqual({ congestion_window: 11_520, bytes_in_flight: 0, smoothed_rtt: 40 });
  });

  // qvis looks at the first of `frames`, wherever there are any, and draws nothing if that is missing.
  it('has no frames where there are none', () => {
    const { qlog, records } = recorded();
    shakeHands(qlog);
    qlog.handleDatagram(START + 10, 'sent', RELAY, sent(0, [FrameType.ping]));
    qlog.handleDatagram(START + 11, 'sent', RELAY, sent(1, [0, 0, 0])); // padding
    qlog.handleDatagram(START + 12, 'sent', RELAY, sent(2, [FrameType.ping]));
    qlog.handleDatagram(START + 50, 'received', RELAY, received(0, [FrameType.ack, 2, 0, 0, 0]));
    qlog.handleMetrics(START + 51, { ...METRICS, packetsLost: 1 });
    expect(records().map(({ name, data }) => [name, data && 'frames' in data])).toEqual([
      [undefined, undefined],
      ['transport:packet_sent', false],
      ['transport:packet_received', false],
      ['transport:packet_sent', true],
      ['transport:packet_sent', false],
      ['transport:packet_sent', true],
      ['transport:packet_received', true],
      ['recovery:packet_lost', false],
      ['recovery:metrics_updated', false],
    ]);
  });

  it('logs a packet without frames, and takes only what asks for an acknowledgement for lost', () => {
    const { qlog, events } = recorded();
    shakeHands(qlog);
    qlog.handleDatagram(START + 10, 'sent', RELAY, sent(0, []));
    qlog.handleDatagram(START + 10, 'sent', RELAY, sent(1, [FrameType.ack, 0, 0, 0, 0]));
    for (const n of [2, 3]) qlog.handleDatagram(START + 10, 'sent', RELAY, sent(n, [FrameType.ping]));
    qlog.handleDatagram(START + 50, 'received', RELAY, received(0, [FrameType.ack, 3, 0, 0, 0]));
    qlog.handleMetrics(START + 51, { ...METRICS, packetsLost: 1 });
    expect(events().slice(2)).toEqual([
      ...[0, 1, 2, 3].map((n) => [10, 'transport:packet_sent', '1RTT', n]),
      [50, 'transport:packet_received', '1RTT', 0],
      [51, 'recovery:packet_lost', '1RTT', 2],
      [51, 'recovery:metrics_updated', undefined, undefined],
    ]);
  });

  it('logs nothing of a peer without an address, and no round-trip time before there is one', () => {
    const { qlog, records } = recorded();
    qlog.handleMetrics(START, { ...METRICS, address: undefined });
    qlog.handleMetrics(START, { ...METRICS, smoothedRttMs: undefined });
    expect(records().slice(1)).toMatchObject([{ group_id: '192.0.2.1 51820' }]);
    expect(records()[1]?.data).toEqual({ congestion_window: 11_520, bytes_in_flight: 0 });
  });

  it('logs whole bytes and microseconds, and nothing that changes less than that', () => {
    const { qlog, records } = recorded();
    qlog.handleMetrics(START, { ...METRICS, congestionWindowBytes: 11_871.546, smoothedRttMs: 27.980458999 });
    qlog.handleMetrics(START, { ...METRICS, congestionWindowBytes: 11_871.547, smoothedRttMs: 27.980459 });
    expect(records().slice(1)).toMatchObject([{ data: { congestion_window: 11_871, smoothed_rtt: 27.98 } }]);
  });

  it('contains no secret and no byte of a stream', () => {
    const { qlog, text } = recorded();
    shakeHands(qlog);
    qlog.handleDatagram(START, 'sent', RELAY, sent(0, [FrameType.stream, 0, 0, 6, ...Buffer.from('secret')]));
    expect(text()).not.toContain('secret');
    expect(text()).not.toContain(text64(handshake.initiator_ephemeral_private));
  });

  it('ignores what it cannot open or parse', () => {
    const { qlog, records } = recorded();
    qlog.handleDatagram(START, 'sent', RELAY, sent(0, [FrameType.ping]));
    shakeHands(qlog);
    for (const payload of [[], [PACKET_TYPE], [PACKET_TYPE, 0xff], [0x45, 0, 0]]) {
      qlog.handleDatagram(START, 'sent', RELAY, sealed(handshake.message2, 4, 1, payload));
    }
    expect(records()).toHaveLength(3);
  });

  it('forgets the peer seen longest ago beyond the limit', () => {
    const { qlog, records } = recorded();
    /** @returns whether something is logged: what is unchanged is not, if the peer is remembered */
    const isLogged = (port: number) => {
      const before = records().length;
      qlog.handleMetrics(START, { ...METRICS, address: { ...RELAY, port } });
      return records().length > before;
    };
    for (let port = 1; port <= MAX_QLOG_PEERS; port++) isLogged(port);
    expect(isLogged(1)).toBe(false); // and now the one that was seen longest ago is 2
    expect(isLogged(MAX_QLOG_PEERS + 1)).toBe(true);
    expect([3, MAX_QLOG_PEERS, 1].map(isLogged)).toEqual([false, false, false]);
    expect(isLogged(2)).toBe(true);
  });
});

describe('SentPackets', () => {
  it('takes the lowest unacknowledged packets for the lost ones', () => {
    const packets = new SentPackets();
    for (let n = 0; n < 8; n++) packets.add(n, 100);
    packets.acknowledge([[5, 6]]);
    expect(packets.takeLost(2)).toEqual([
      [0, 100],
      [1, 100],
    ]);
    expect(packets.takeLost(2)).toEqual([]);
    packets.acknowledge([[2, 2]]);
    // Number 7 is above the largest acknowledged one, so it cannot be among them.
    expect(packets.takeLost(9)).toEqual([
      [3, 100],
      [4, 100],
    ]);
  });

  it('forgets the oldest packets beyond the limit', () => {
    const packets = new SentPackets();
    for (let n = 0; n <= MAX_TRACKED_PACKETS; n++) packets.add(n, 100);
    packets.acknowledge([[9, 9]]);
    expect(packets.takeLost(1)).toEqual([[1, 100]]);
  });
});

interface QlogRecord {
  readonly time: number;
  readonly name: string;
  readonly data: {
    readonly header?: { readonly packet_type: string; readonly packet_number: number };
    readonly frames?: unknown;
  };
}

function recorded() {
  const pieces: string[] = [];
  const qlog = new Qlog({
    application: 'test',
    vantagePoint: 'client',
    startUnixMs: START,
    suite,
    write: (record) => pieces.push(record) > 0,
  });
  const records = () => pieces.map((piece) => JSON.parse(piece.slice(1)) as QlogRecord);
  const events = () =>
    records()
      .slice(1)
      .map(({ time, name, data }) => [time, name, data.header?.packet_type, data.header?.packet_number]);
  return { qlog, text: () => pieces.join(''), records, events };
}

function shakeHands(qlog: Qlog): void {
  const secrets = {
    LOCAL_STATIC_PRIVATE_KEY: handshake.initiator_static_private,
    REMOTE_STATIC_PUBLIC_KEY: handshake.responder_static_public,
    LOCAL_EPHEMERAL_PRIVATE_KEY: handshake.initiator_ephemeral_private,
  };
  for (const [name, key] of Object.entries(secrets)) qlog.handleKeyLogLine(`${name} = ${text64(key)}`);
  qlog.handleDatagram(START, 'sent', RELAY, Buffer.from(handshake.message1, 'hex'));
  qlog.handleDatagram(START + 1, 'received', RELAY, Buffer.from(handshake.message2, 'hex'));
}

function sent(n: number, frames: readonly number[]): Uint8Array {
  return sealed(handshake.message2, 4, n, [PACKET_TYPE, n, ...frames]);
}

function received(n: number, frames: readonly number[]): Uint8Array {
  return sealed(handshake.message1, 4, n, [PACKET_TYPE, n, ...frames]);
}

/** @param opening  the handshake message whose sender receives this */
function sealed(opening: string, indexAt: number, counter: number, payload: readonly number[]): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES + payload.length + TAG_BYTES);
  message.set([4, 0, 0, 0, ...Buffer.from(opening, 'hex').subarray(indexAt, indexAt + 4), counter]);
  message.set(payload, HEADER_BYTES);
  const key =
    opening === handshake.message2
      ? handshake.transport_key_initiator_to_responder
      : handshake.transport_key_responder_to_initiator;
  suite.aead(Buffer.from(key, 'hex')).seal(0, counter, message, HEADER_BYTES, payload.length);
  return message;
}

function senderIndex(message: string): number {
  return Buffer.from(message, 'hex').readUInt32LE(4);
}

function text64(hexText: string): string {
  return base64(Buffer.from(hexText, 'hex'));
}
