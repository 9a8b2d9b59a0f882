/** Listens to one process at its crypto suite: what it seals, what it opens, and which keys it has not destroyed.
 *
 *  It works with any suite and needs no hook in the program: whoever stands between a program and its ciphers sees
 *  everything. */
import type { Aead, CryptoSuite } from '@underpass/protocol';
import { type PacketView, readPacket } from './packet-view.js';

/** A transport message as it was sealed. */
export interface Sealed {
  readonly key: string;
  readonly counter: number;
  /** Undefined: a keepalive, or no packet of ours. */
  readonly packet: PacketView | undefined;
  readonly payloadBytes: number;
}

export interface Opened {
  readonly key: string;
  readonly counter: number;
}

const TWO_32 = 2 ** 32;

export class CryptoLog {
  /** What the process is to use. */
  readonly suite: CryptoSuite;
  /** Of all keys for transport messages that it was given: when, in order. */
  readonly keys: { readonly key: string; readonly at: number }[] = [];
  /** Ciphers of transport keys that are not destroyed. */
  liveCiphers = 0;
  /** Sealed and not yet seen on the network, in order. */
  readonly sealed: Sealed[] = [];
  /** The transport message that opened last, since somebody cleared it. */
  opened: Opened | undefined;
  /** Changes a payload before it is sealed: a process that misbehaves. @returns whether it did */
  tamper: ((payload: Uint8Array) => boolean) | undefined;
  /** Private keys that it computed with, as it holds them. */
  readonly #privateKeys = new Set<Uint8Array>();

  constructor(suite: CryptoSuite, now: () => number) {
    this.suite = {
      ...suite,
      x25519: (privateKey, publicKey) => {
        this.#privateKeys.add(privateKey);
        return suite.x25519(privateKey, publicKey);
      },
      x25519PublicKey: (privateKey) => {
        this.#privateKeys.add(privateKey);
        return suite.x25519PublicKey(privateKey);
      },
      aead: (key) => this.#listen(suite.aead(key), key, now),
    };
  }

  /** How many private keys other than the static one still stand in memory. */
  countEphemeralKeys(isStatic: (key: Uint8Array) => boolean): number {
    let count = 0;
    for (const key of this.#privateKeys) {
      if (key.every((byte) => byte === 0)) this.#privateKeys.delete(key);
      else if (!isStatic(key)) count++;
    }
    return count;
  }

  /** The cipher of a handshake is used with additional data, and once; a transport key's never with any. */
  #listen(aead: Aead, keyBytes: Uint8Array, now: () => number): Aead {
    const key = toText(keyBytes);
    const at = now();
    let isTransport = true;
    this.liveCiphers++;
    this.keys.push({ key, at });
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
          // What was spoilt on purpose is no packet of the program's.
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

function toText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
