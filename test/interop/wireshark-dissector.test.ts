/** The dissector for Wireshark finds in each packet the fields that `dissect` finds, at the same places. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  base64,
  createPortableSuite,
  encodeHello,
  FrameType,
  HEADER_BYTES,
  PACKET_TYPE,
  TAG_BYTES,
  writeVarint,
} from '@underpass/protocol';
import { type CapturedHandshake, capturedHandshakes } from '@underpass/testkit/crypto';
import { Capture, dissect } from '@underpass/trace';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../e2e/temporary-directory.js';
import { runTshark, WITH_DISSECTOR } from '../e2e/tshark.js';

const INITIATOR = { address: '192.0.2.1', port: 4000 };
const RESPONDER = { address: '198.51.100.2', port: 51820 };
const handshake = capturedHandshakes[0] as CapturedHandshake;
const suite = createPortableSuite();

const text = (value: string): number[] => [...Buffer.from(value)];
const large = (value: number): number[] => {
  const bytes = new Uint8Array(8);
  return [...bytes.subarray(0, writeVarint(bytes, 0, value))];
};
const hello = (role: 'client' | 'relay'): number[] => [
  ...encodeHello({
    version: 1,
    epoch: Buffer.from('a1a2a3a4a5a6a7a8', 'hex'),
    expectedEpoch: new Uint8Array(8),
    role,
    maxData: 61_865_984,
    maxStreamData: 16_384,
    maxStreams: 1024,
    maxDatagramBytes: 16_384,
    softwareName: 'underpass/0.1.0',
  }),
];

/** Frames of every type, and then packets that cannot be parsed. */
const PACKETS: readonly (readonly number[])[] = [
  [FrameType.ping],
  [FrameType.ack, 9, 10, 0, 4, 0, 0, FrameType.ping],
  [FrameType.ack, ...large(5000), ...large(400), 2, 4, 1, 3, 0, 0],
  [FrameType.resetStream, 4, 1, ...large(100_000)],
  [FrameType.stopSending, 4, 2],
  hello('client'),
  [...hello('relay'), FrameType.stream, 2, 0, 3, ...text('abc')],
  [
    FrameType.hello,
    ...hello('client')
      .slice(1, 2)
      .map((length) => length + 2),
    ...hello('client').slice(2),
    7,
    7,
  ],
  [FrameType.stream, 0, 0, 16, ...text('GET / HTTP/1.1\r\n'), FrameType.streamFin, 0, 16, 0],
  [
    FrameType.maxData,
    ...large(2 ** 53 - 1),
    FrameType.maxStreamData,
    2,
    ...large(70_000),
    FrameType.maxStreams,
    9,
  ],
  [FrameType.dataBlocked, 1, FrameType.streamDataBlocked, 2, 3, FrameType.streamsBlocked, 4],
  [FrameType.pathChallenge, 1, 2, 3, 4, 5, 6, 7, 8, FrameType.pathResponse, 8, 7, 6, 5, 4, 3, 2, 1],
  [FrameType.close, 7, 5, ...text('sorry'), FrameType.padding, FrameType.padding],
  [FrameType.datagram, 6, 4, ...text('ping'), FrameType.padding, FrameType.datagram, 6, 0],
  [],
  [0x3f, 1, 2, 3],
  [FrameType.ping, FrameType.stream, 0, 0, 50, 1],
  [FrameType.ack, 1, 0, 0, 2],
  [FrameType.ack, 9, 0, 1, 2, 9, 0],
  [FrameType.ack, 9, 0, ...large(257), 0],
  [FrameType.maxData, 0xff, 0, 0, 0, 0, 0, 0, 0],
  [FrameType.close, 0x80],
];

it('the dissector for Wireshark agrees with dissect on every frame', (context) => {
  const file = path.join(temporaryDirectory(), 'frames.pcapng');
  const opened = PACKETS.map((frames, i) => openMessage(i, [PACKET_TYPE, i, ...frames]));
  writeFileSync(file, captureOf(opened.map(sealed)));
  const pdml = runTshark(file, [...WITH_DISSECTOR, '-T', 'pdml']);
  if (pdml === undefined) return context.skip('tshark is not installed');
  const packets = pdml.split('<packet>').slice(1 + 2); // without the handshake
  expect(packets).toHaveLength(PACKETS.length);
  const frames = PACKETS.map((_, i) => dissect(opened[i] as Uint8Array, true).parts.slice(2, -1));
  const names = new Set(frames.flat().map(({ name }) => name));
  expect(names.size).toBe(Object.keys(FrameType).length + 1); // and 'not decoded'
  for (const [i, packet] of packets.entries()) {
    const { parts, problem } = dissect(opened[i] as Uint8Array, true);
    const expected = parts
      .slice(1, -1) // WireGuard's own parts
      .flatMap(({ fields }) => fields)
      .map(({ name, offset, length }) => [filterOf(name), offset - HEADER_BYTES, length]);
    expect(fieldsIn(packet), `packet ${i}`).toEqual(expected);
    expect(/showname="Expert Info [^"]*?: ([^"]*)"/.exec(packet)?.[1] ?? undefined, `packet ${i}`).toBe(
      problem,
    );
  }
});

/** The fields of the dissector in tshark's XML, without the subtrees. */
function fieldsIn(packet: string): unknown[] {
  const field = /<field name="(underpass\.[^"]+)"[^>]* size="(\d+)" pos="(\d+)"/g;
  return Array.from(packet.matchAll(field), ([, name, size, at]) => [name, Number(at), Number(size)]).filter(
    ([name]) => name !== 'underpass.frame' && name !== 'underpass.malformed',
  );
}

function filterOf(name: string): string {
  return `underpass.${name.toLowerCase().replaceAll(/[ -]/g, '_')}`;
}

/** A transport message of the initiator, before it is sealed. */
function openMessage(counter: number, payload: readonly number[]): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES + payload.length + TAG_BYTES);
  message.set([4, 0, 0, 0, ...Buffer.from(handshake.message2, 'hex').subarray(4, 8), counter]);
  message.set(payload, HEADER_BYTES);
  return message;
}

function sealed(message: Uint8Array): Uint8Array {
  const bytes = message.slice();
  const key = Buffer.from(handshake.transport_key_initiator_to_responder, 'hex');
  const payloadBytes = bytes.length - HEADER_BYTES - TAG_BYTES;
  suite.aead(key).seal(0, bytes[8] as number, bytes, HEADER_BYTES, payloadBytes);
  return bytes;
}

function captureOf(messages: readonly Uint8Array[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  const capture = new Capture({
    application: 'test',
    interfaceName: 'initiator',
    write: (bytes) => pieces.push(bytes) > 0,
  });
  const secrets = {
    LOCAL_STATIC_PRIVATE_KEY: handshake.initiator_static_private,
    REMOTE_STATIC_PUBLIC_KEY: handshake.responder_static_public,
    LOCAL_EPHEMERAL_PRIVATE_KEY: handshake.initiator_ephemeral_private,
  };
  for (const [name, key] of Object.entries(secrets)) {
    capture.handleKeyLogLine(`${name} = ${base64(Buffer.from(key, 'hex'))}`);
  }
  const add = (from: typeof INITIATOR, to: typeof INITIATOR, bytes: Uint8Array) =>
    capture.handleDatagram({ atUnixMs: 1_700_000_000_000, from, to, bytes });
  add(INITIATOR, RESPONDER, Buffer.from(handshake.message1, 'hex'));
  add(RESPONDER, INITIATOR, Buffer.from(handshake.message2, 'hex'));
  for (const message of messages) add(INITIATOR, RESPONDER, message);
  return Buffer.concat(pieces);
}
