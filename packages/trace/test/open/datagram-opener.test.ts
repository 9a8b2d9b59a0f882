/** The handshakes are those of Wireshark's own test captures, which Wireshark opens with the same kind of key log. */
import { base64, createPortableSuite } from '@underpass/protocol';
import { type CapturedHandshake, capturedHandshakes } from '@underpass/testkit/crypto';
import { DatagramOpener, dissect, MAX_OBSERVED_HANDSHAKES } from '@underpass/trace';
import { describe, expect, it } from 'vitest';

const suite = createPortableSuite();

describe.each(capturedHandshakes)('DatagramOpener: $name', (handshake) => {
  it.each(['initiator', 'responder'] as const)('opens everything with the secrets of the %s', (side) => {
    const opener = new DatagramOpener(suite);
    for (const line of keyLog(handshake, side)) opener.handleKeyLogLine(line);
    const opened = opener.open(bytes(handshake.message1)) as Uint8Array;
    const fields = dissect(opened, true).parts.flatMap((part) => part.fields);
    expect(fields.find(({ name }) => name === "initiator's static public key")?.value).toBe(
      text64(handshake.initiator_static_public),
    );
    expect(hex(opened.subarray(88, 100))).toBe(handshake.timestamp_tai64n);
    expect(opener.open(bytes(handshake.message2))).toEqual(bytes(handshake.message2));
    for (const { packet, plaintext } of handshake.transport) {
      const sealed = bytes(packet);
      const message = opener.open(sealed) as Uint8Array;
      expect(message.length).toBe(sealed.length);
      expect(hex(message.subarray(16, -16))).toBe(plaintext);
      expect(message.subarray(-16)).toEqual(sealed.subarray(-16));
    }
  });
});

describe('DatagramOpener', () => {
  const handshake = capturedHandshakes[0] as CapturedHandshake;

  it('opens nothing without secrets, and nothing that was changed', () => {
    const opener = new DatagramOpener(suite);
    const first = handshake.transport[0]?.packet as string;
    for (const message of [handshake.message1, handshake.message2, first]) {
      expect(opener.open(bytes(message))).toBeUndefined();
    }
    for (const line of keyLog(handshake, 'initiator')) opener.handleKeyLogLine(line);
    expect(opener.open(changed(handshake.message1, 50))).toBeUndefined();
    expect(opener.open(bytes(handshake.message1))).toBeDefined();
    expect(opener.open(changed(handshake.message2, 50))).toBeUndefined();
    expect(opener.open(bytes(handshake.message2))).toBeDefined();
    expect(opener.open(changed(first, 20))).toBeUndefined();
    expect(opener.open(bytes(first))).toBeDefined();
    expect(opener.open(new Uint8Array(3))).toBeUndefined();
  });

  it('ignores lines that are not of a key log', () => {
    const opener = new DatagramOpener(suite);
    const lines = keyLog(handshake, 'initiator');
    for (const line of ['', 'nonsense', 'LOCAL_STATIC_PRIVATE_KEY = short', ...lines, 'OTHER = AAAA']) {
      opener.handleKeyLogLine(line);
    }
    expect(opener.open(bytes(handshake.message1))).toBeDefined();
  });

  it('opens what the responder sends too, and nothing under the key of the other direction', () => {
    for (const side of ['initiator', 'responder'] as const) {
      const opener = new DatagramOpener(suite);
      for (const line of keyLog(handshake, side)) opener.handleKeyLogLine(line);
      opener.open(bytes(handshake.message1));
      opener.open(bytes(handshake.message2));
      const keys = [
        handshake.transport_key_responder_to_initiator,
        handshake.transport_key_initiator_to_responder,
      ] as const;
      const [opened, other] = keys.map((key) => opener.open(toInitiator(handshake, key)));
      expect(opened?.subarray(16, -16)).toEqual(Uint8Array.of(1, 2, 3));
      expect(other).toBeUndefined();
    }
  });

  it('opens message 1 alone with no more than the static key of the responder', () => {
    const opener = new DatagramOpener(suite);
    opener.handleKeyLogLine(keyLog(handshake, 'responder')[0] as string);
    expect(opener.open(bytes(handshake.message1))).toBeDefined();
    expect(opener.open(bytes(handshake.message2))).toBeUndefined();
  });

  it('opens no message 1 or 2 whose public key or timestamp was changed', () => {
    const zeros = (message: string, at: number) => {
      const copy = bytes(message);
      copy.fill(0, at, at + 32);
      return copy;
    };
    for (const side of ['initiator', 'responder'] as const) {
      const opener = new DatagramOpener(suite);
      for (const line of keyLog(handshake, side)) opener.handleKeyLogLine(line);
      // No shared secret comes from a key that is all zero.
      expect(opener.open(zeros(handshake.message1, 8))).toBeUndefined();
      expect(opener.open(changed(handshake.message1, 90))).toBeUndefined();
      expect(opener.open(bytes(handshake.message1))).toBeDefined();
      expect(opener.open(zeros(handshake.message2, 12))).toBeUndefined();
      expect(opener.open(bytes(handshake.message2))).toBeDefined();
    }
  });

  it('needs both static keys before the ephemeral key, and a handshake before the preshared key', () => {
    const [local, remote, ephemeral, preshared] = keyLog(handshake, 'initiator') as [
      string,
      string,
      string,
      string,
    ];
    const opener = new DatagramOpener(suite);
    for (const line of [preshared, ephemeral, local, ephemeral, preshared]) opener.handleKeyLogLine(line);
    expect(opener.open(bytes(handshake.message1))).toBeUndefined();
    const second = new DatagramOpener(suite);
    for (const line of [remote, ephemeral, local]) second.handleKeyLogLine(line);
    expect(second.open(bytes(handshake.message1))).toBeUndefined();
    second.handleKeyLogLine(ephemeral);
    expect(second.open(bytes(handshake.message1))).toBeDefined();
    // A line of another name is no preshared key.
    second.handleKeyLogLine(preshared);
    second.handleKeyLogLine(`OTHER_KEY = ${base64(numbered(1))}`);
    expect(second.open(bytes(handshake.message2))).toBeDefined();
  });

  it('remembers as many handshakes as the limit says, and one that is stated again for longer', () => {
    const opener = new DatagramOpener(createFastSuite());
    const lines = keyLog(handshake, 'initiator');
    for (const line of lines) opener.handleKeyLogLine(line);
    const more = (from: number, count: number) => {
      for (let i = from; i < from + count; i++) {
        opener.handleKeyLogLine(`LOCAL_EPHEMERAL_PRIVATE_KEY = ${base64(numbered(i))}`);
      }
    };
    more(0, MAX_OBSERVED_HANDSHAKES - 1);
    expect(opener.open(bytes(handshake.message1))).toBeDefined();
    for (const line of lines) opener.handleKeyLogLine(line);
    more(MAX_OBSERVED_HANDSHAKES, MAX_OBSERVED_HANDSHAKES - 1);
    expect(opener.open(bytes(handshake.message1))).toBeDefined();
  });

  it('forgets the oldest handshake beyond the limit', () => {
    const opener = new DatagramOpener(createFastSuite());
    for (const line of keyLog(handshake, 'initiator')) opener.handleKeyLogLine(line);
    for (let i = 0; i < MAX_OBSERVED_HANDSHAKES; i++) {
      opener.handleKeyLogLine(`LOCAL_EPHEMERAL_PRIVATE_KEY = ${base64(numbered(i))}`);
    }
    expect(opener.open(bytes(handshake.message1))).toBeUndefined();
  });
});

/** Only the first ephemeral key matters, so the curve is computed for that one alone. */
function createFastSuite(): typeof suite {
  return { ...suite, x25519PublicKey: (key) => (key[0] === 0xff ? key : suite.x25519PublicKey(key)) };
}

function numbered(i: number): Uint8Array {
  const key = new Uint8Array(32).fill(0xff);
  key[1] = i;
  key[2] = i >>> 8;
  return key;
}

function keyLog(handshake: CapturedHandshake, side: 'initiator' | 'responder'): string[] {
  const other = side === 'initiator' ? 'responder' : 'initiator';
  return [
    `LOCAL_STATIC_PRIVATE_KEY = ${text64(handshake[`${side}_static_private`])}`,
    `REMOTE_STATIC_PUBLIC_KEY = ${text64(handshake[`${other}_static_public`])}`,
    `LOCAL_EPHEMERAL_PRIVATE_KEY = ${text64(handshake[`${side}_ephemeral_private`])}`,
    `PRESHARED_KEY = ${text64(handshake.preshared_key)}`,
  ];
}

/** A transport message with the payload 1, 2, 3 to the initiator, whose counter needs more than 32 bits. */
function toInitiator(handshake: CapturedHandshake, key: string): Uint8Array {
  const message = new Uint8Array(16 + 3 + 16);
  message.set([4, 0, 0, 0, ...bytes(handshake.message1).subarray(4, 8), 5, 0, 0, 0, 9]);
  message.set([1, 2, 3], 16);
  suite.aead(bytes(key)).seal(9, 5, message, 16, 3);
  return message;
}

function changed(hexText: string, at: number): Uint8Array {
  const message = bytes(hexText);
  message[at] = (message[at] as number) ^ 1;
  return message;
}

function bytes(hexText: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hexText, 'hex'));
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex');
}

function text64(hexText: string): string {
  return base64(bytes(hexText));
}
