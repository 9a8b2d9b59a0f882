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
