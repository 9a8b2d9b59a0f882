import {
  type Aead,
  bytesKey,
  type CryptoSuite,
  classifyMessage,
  copyBytes,
  HEADER_BYTES,
  InitiationOffset,
  KEY_BYTES,
  MessageType,
  ResponseOffset,
  readUint32,
  TAG_BYTES,
  TransportOffset,
} from '@underpass/protocol';
import { type HandshakeSecrets, KeyLogReader } from './handshake-secrets.js';
import {
  type ObservedHandshake,
  observeAsInitiator,
  observeAsResponder,
  observeResponse,
} from './observed-handshake.js';

/** How many handshakes are remembered. The oldest is forgotten first, with its keys. */
export const MAX_OBSERVED_HANDSHAKES = 1024;

/** Opens sealed datagrams with the secrets of a key log, as Wireshark does.
 *
 *  It observes a conversation: the caller passes it the lines of the key log and the datagrams of both directions, in
 *  the order in which they occurred. From the handshakes it derives the keys of the transport messages that follow. The
 *  secrets of either side suffice. It holds these secrets, so it is as sensitive as the key log itself.
 *
 *  It neither checks counters nor forgets old keys: a repeated datagram opens like the first one. */
export class DatagramOpener {
  readonly #suite: CryptoSuite;
  readonly #keyLog: KeyLogReader;
  /** By the ephemeral public key. */
  readonly #secrets = new Map<string, HandshakeSecrets>();
  /** Handshakes whose message 1 has been opened, by the sender index of that message. */
  readonly #handshakes = new Map<number, ObservedHandshake>();
  /** By receiver index. */
  readonly #keys = new Map<number, Aead>();

  constructor(suite: CryptoSuite) {
    this.#suite = suite;
    this.#keyLog = new KeyLogReader(suite, (secrets) => {
      remember(this.#secrets, bytesKey(secrets.localEphemeralPublic), secrets, MAX_OBSERVED_HANDSHAKES);
    });
  }

  /** Takes one line of a key log, before the datagrams that it concerns. */
  handleKeyLogLine(line: string): void {
    this.#keyLog.handleLine(line);
  }

  /** Returns a copy of the datagram in which the plaintext replaces each sealed field. The authentication tags stay in
   *  their places, so every offset is the same in both.
   *
   *  @returns undefined if the secrets for it are not known, or it does not authenticate */
  open(datagram: Uint8Array): Uint8Array | undefined {
    switch (classifyMessage(datagram)) {
      case MessageType.initiation:
        return this.#openInitiation(datagram);
      case MessageType.response:
        return this.#openResponse(datagram);
      case MessageType.transport:
        return this.#openTransport(datagram);
      default:
        return undefined; // A key log has nothing that opens a cookie.
    }
  }

  #openInitiation(message: Uint8Array): Uint8Array | undefined {
    const secrets = this.#secretsOf(message, InitiationOffset.ephemeral);
    const { localStaticPrivate } = this.#keyLog;
    const handshake =
      secrets !== undefined
        ? observeAsInitiator(this.#suite, message, secrets)
        : localStaticPrivate && observeAsResponder(this.#suite, message, localStaticPrivate);
    if (handshake === undefined) return undefined;
    const index = readUint32(message, InitiationOffset.senderIndex);
    remember(this.#handshakes, index, handshake, MAX_OBSERVED_HANDSHAKES);
    return handshake.opened;
  }

  #openResponse(message: Uint8Array): Uint8Array | undefined {
    const initiatorIndex = readUint32(message, ResponseOffset.receiverIndex);
    const handshake = this.#handshakes.get(initiatorIndex);
    if (handshake === undefined) return undefined;
    const responder = this.#secretsOf(message, ResponseOffset.ephemeral);
    const keys = observeResponse(this.#suite, handshake, message, responder);
    if (keys === undefined) return undefined;
    const responderIndex = readUint32(message, ResponseOffset.senderIndex);
    const { initiatorSends, responderSends } = keys;
    remember(this.#keys, responderIndex, this.#suite.aead(initiatorSends), 2 * MAX_OBSERVED_HANDSHAKES);
    remember(this.#keys, initiatorIndex, this.#suite.aead(responderSends), 2 * MAX_OBSERVED_HANDSHAKES);
    return copyBytes(message);
  }

  #openTransport(message: Uint8Array): Uint8Array | undefined {
    const { receiverIndex, counterHigh, counterLow } = TransportOffset;
    const aead = this.#keys.get(readUint32(message, receiverIndex));
    if (aead === undefined) return undefined;
    const opened = copyBytes(message);
    const [high, low] = [readUint32(message, counterHigh), readUint32(message, counterLow)];
    if (!aead.open(high, low, opened, HEADER_BYTES, message.length - HEADER_BYTES)) return undefined;
    const tag = message.subarray(-TAG_BYTES);
    opened.set(tag, message.length - TAG_BYTES);
    return opened;
  }

  #secretsOf(message: Uint8Array, offset: number): HandshakeSecrets | undefined {
    return this.#secrets.get(bytesKey(message.subarray(offset, offset + KEY_BYTES)));
  }
}

/** Sets an entry, and drops the oldest ones beyond the limit. */
function remember<K, V>(map: Map<K, V>, key: K, value: V, limit: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= limit) return;
    map.delete(oldest);
  }
}
