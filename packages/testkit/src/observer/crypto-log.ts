/** Observes one process at its crypto suite. */
import { type Aead, type CryptoSuite, readUint32 } from '@underpass/protocol';
import { type PacketView, readPacket } from './packet-view.js';

/** A transport message at the moment it was sealed. */
export interface Sealed {
  readonly key: string;
  readonly counter: number;
  /** Undefined for a keepalive, and for a packet that the simulation corrupted. */
  readonly packet: PacketView | undefined;
  readonly payloadBytes: number;
}

export interface Opened {
  readonly key: string;
  readonly counter: number;
}

/** A transport key that a process was given. */
export interface TransportKey {
  readonly key: string;
  readonly at: number;
  /** The very array that the process passed to its suite. */
  readonly bytes: Uint8Array;
}

const TWO_32 = 2 ** 32;

/** Wraps a process's crypto suite, and records what the process seals and opens and which keys it has not destroyed.
 *
 *  The process gets `suite` in place of the real one. So the log works with any suite and needs no hook in the program:
 *  whatever the program encrypts passes through it. The observer takes sealed messages from it and matches them with
 *  datagrams. It never changes a result, except that `tamper` may corrupt a payload on purpose. */
export class CryptoLog {
  /** The suite for the process to use. */
  readonly suite: CryptoSuite;
  /** Every transport key that the process was given, and when, in order. */
  readonly keys: TransportKey[] = [];
  /** How many ciphers of transport keys are not destroyed. */
  liveCiphers = 0;
  /** Messages that were sealed but not seen on the network yet, in order. */
  readonly sealed: Sealed[] = [];
  /** The transport message that opened last. The observer clears it. */
  opened: Opened | undefined;
  /** Changes a payload before it is sealed, to make a process misbehave. @returns whether it did */
  tamper: ((payload: Uint8Array) => boolean) | undefined;
  /** Private keys with which it computed, as the very arrays that it holds. */
  readonly #privateKeys = new Set<Uint8Array>();
  /** Copies of private keys, by the public keys that were computed from them. */
  readonly #privateKeyOf = new Map<string, Uint8Array>();

  constructor(suite: CryptoSuite, now: () => number) {
    this.suite = {
      ...suite,
      x25519: (privateKey, publicKey) => {
        this.#privateKeys.add(privateKey);
        return suite.x25519(privateKey, publicKey);
      },
      x25519PublicKey: (privateKey) => {
        this.#privateKeys.add(privateKey);
        const publicKey = suite.x25519PublicKey(privateKey);
        this.#privateKeyOf.set(textOf(publicKey), privateKey.slice());
        return publicKey;
      },
      aead: (key) => this.#listen(suite.aead(key), key, now),
    };
  }

  /** How many private keys other than the static one are still in memory. */
  countEphemeralKeys(isStatic: (key: Uint8Array) => boolean): number {
    let count = 0;
    for (const key of this.#privateKeys) {
      if (key.every((byte) => byte === 0)) this.#privateKeys.delete(key);
      else if (!isStatic(key)) count++;
    }
    return count;
  }

  /** The private key of a public key that the process has computed. */
  privateKeyOf(publicKey: Uint8Array): Uint8Array | undefined {
    return this.#privateKeyOf.get(textOf(publicKey));
  }

  /** Handshakes use a cipher once, with additional data. Transport ciphers never have additional data. */
  #listen(aead: Aead, keyBytes: Uint8Array, now: () => number): Aead {
    const key = textOf(keyBytes);
    const at = now();
    let isTransport = true;
    this.liveCiphers++;
    this.keys.push({ key, at, bytes: keyBytes });
    const noteHandshake = () => {
      if (!isTransport) return;
      isTransport = false;
      this.liveCiphers--;
      this.keys.splice(
        this.keys.findLastIndex((entry) => entry.key === key),
        1,
      );
    };
    let isDestroyed = false;
    return {
      seal: (high, low, buffer, offset, length, additional) => {
        if (additional !== undefined) noteHandshake();
        else {
          const payload = buffer.subarray(offset, offset + length);
          // A payload that was corrupted on purpose is not a packet of the program.
          const packet = this.tamper?.(payload) === true ? undefined : readPacket(payload);
          this.sealed.push({ key, counter: high * TWO_32 + low, packet, payloadBytes: length });
        }
        aead.seal(high, low, buffer, offset, length, additional);
      },
      open: (high, low, buffer, offset, length, additional) => {
        if (additional !== undefined) noteHandshake();
        const isGenuine = aead.open(high, low, buffer, offset, length, additional);
        if (isGenuine && additional === undefined) this.opened = { key, counter: high * TWO_32 + low };
        return isGenuine;
      },
      destroy: () => {
        if (isTransport && !isDestroyed) this.liveCiphers--;
        isDestroyed = true;
        aead.destroy();
      },
    };
  }
}

/** A text that is the same for the same bytes. */
export function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Finds the message in the log. A process seals in the order in which it sends; messages that it did not send are
 *  skipped. */
export function takeSealed(crypto: CryptoLog, datagram: Uint8Array): Sealed | undefined {
  const counter = readUint32(datagram, 8) + readUint32(datagram, 12) * TWO_32;
  if (crypto.sealed[0]?.counter === counter) return crypto.sealed.shift();
  const at = crypto.sealed.findIndex((sealed) => sealed.counter === counter);
  if (at < 0) return undefined;
  const sealed = crypto.sealed[at];
  crypto.sealed.splice(0, at + 1);
  return sealed;
}
