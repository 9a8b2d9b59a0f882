/** How an endpoint handles payloads that another WireGuard program could send (spec wire 3, spec streams 1.1). */
import {
  type Address,
  type DropReason,
  Endpoint,
  RoamingPath,
  TransmitBatch,
  WireGuard,
} from '@underpass/protocol';
import { createInsecureTestSuite } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';

const PEER: Address = { address: '192.0.2.1', port: 1 };
const HERE: Address = { address: '192.0.2.2', port: 2 };

/** An endpoint, and a plain WireGuard peer that has completed a handshake with it. */
function setUp() {
  const suite = createInsecureTestSuite();
  let drawn = 0;
  const random = (length: number) => Uint8Array.from({ length }, () => ++drawn * 37);
  const common = { suite, random, unixTimeMs: () => 1_700_000_000_000 };
  const endpoint = new Endpoint({ ...common, role: 'relay', privateKey: new Uint8Array(32).fill(7) });
  const wireGuard = new WireGuard({ ...common, privateKey: new Uint8Array(32).fill(8) });
  endpoint.addPeer({ publicKey: wireGuard.publicKey });
  const peer = wireGuard.addPeer(
    { publicKey: endpoint.publicKey, path: new RoamingPath(HERE) },
    () => undefined,
  );
  const batch = new TransmitBatch();
  const receive = (): number => {
    let datagrams = 0;
    while (endpoint.pollTransmit(0, batch)) {
      wireGuard.handleDatagram(0, batch.buffer.slice(0, batch.segmentBytes), HERE);
      datagrams++;
    }
    return datagrams;
  };
  const buffer = new Uint8Array(256);
  peer.requestHandshake(0);
  wireGuard.pollMessage(0, buffer);
  endpoint.handleDatagram(0, buffer.slice(0, 148), PEER);
  receive();
  // A keepalive confirms the keys, and the endpoint then sends HELLO.
  endpoint.handleDatagram(0, buffer.slice(0, peer.seal(0, buffer, 0, 0)), PEER);
  receive();
  /** Sends a payload to the endpoint.
   *  @returns why it was dropped, or undefined */
  const send = (payload: readonly number[]): DropReason | undefined => {
    const before = { ...endpoint.drops };
    buffer.set(payload, 16);
    const length = peer.seal(0, buffer, 0, payload.length, payload.length);
    endpoint.handleDatagram(0, buffer.slice(0, length), PEER);
    const reasons = Object.keys(before) as DropReason[];
    return reasons.find((reason) => endpoint.drops[reason] > before[reason]);
  };
  return { endpoint, send, receive };
}

describe('a payload', () => {
  it.each([
    ['that is an IPv4 packet', [0x45, 0, 0, 20], 'ip-packet'],
    ['that is an IPv6 packet', [0x60, 0, 0, 0], 'ip-packet'],
    ['of zeros', [0, 0, 0], 'unknown-payload'],
    ['of another type', [0x02, 0, 0], 'unknown-payload'],
    ['of a type above IP', [0x70, 0, 0], 'unknown-payload'],
    // spec streams 3.2: "MUST drop a packet under a keypair"
    ['that is a packet before any HELLO', [0x01, 0, 0x01], 'no-hello'],
  ] as const)('%s is counted and has no other effect', (_name, payload, reason) => {
    const { endpoint, send, receive } = setUp();
    expect(send(payload)).toBe(reason);
    expect(endpoint.pollEvent()).toBeUndefined();
    expect(receive()).toBe(0);
  });

  it.each([
    ['without a packet number', [0x01]],
    ['with half a packet number', [0x01, 0x80]],
    ['with a HELLO that is cut off', [0x01, 0x00, 0x06, 0x20, 0x01]],
  ])(
    'that is a packet %s ends the connection with CLOSE, and throws nothing (spec streams 1.4: "MUST close the connection with FRAME_ENCODING")',
    (_name, payload) => {
      const { send, receive } = setUp();
      expect(send(payload)).toBe('closed');
      expect(receive()).toBe(1);
    },
  );
});
