import { type Aead, bytesKey, type CryptoSuite, copyBytes, TAG_BYTES } from '@underpass/protocol';

/** What was sealed under one key with one counter. */
interface Sealed {
  readonly plaintext: Uint8Array;
  readonly ciphertext: Uint8Array;
}

const TWO_32 = 2 ** 32;
/** Counters from here on are not exact numbers. No simulation gets so far. */
const MAX_HIGH = 2 ** 20;
/** About what an entry takes beyond its bytes. */
const ENTRY_BYTES = 200;

/** A crypto suite that computes nothing twice.
 *
 *  To go back in time, a session is run again from its start, which seals and opens the same bytes with the same keys.
 *  This suite wraps the real one, and remembers results by their inputs. An entry is used only if all inputs are the
 *  same, byte for byte, so the results are those of the real suite. It keeps keys and plaintext in memory, which no
 *  program may do: here both are of a simulation.
 *
 *  A session owns it, and all its runs share it. When it is full, it forgets everything and starts over. */
export class RememberingSuite implements CryptoSuite {
  readonly name: string;
  readonly #suite: CryptoSuite;
  readonly #maxBytes: number;
  readonly #products = new Map<string, Uint8Array | undefined>();
  readonly #sealed = new Map<string, Map<number, Sealed>>();
  #bytes = 0;

  constructor(suite: CryptoSuite, maxBytes: number) {
    this.#suite = suite;
    this.#maxBytes = maxBytes;
    this.name = suite.name;
  }

  /** How much is remembered, about. */
  get rememberedBytes(): number {
    return this.#bytes;
  }

  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    return this.#product(`${bytesKey(privateKey)} ${bytesKey(publicKey)}`, () =>
      this.#suite.x25519(privateKey, publicKey),
    );
  }
  x25519PublicKey(privateKey: Uint8Array): Uint8Array {
    return this.#product(bytesKey(privateKey), () => this.#suite.x25519PublicKey(privateKey)) as Uint8Array;
  }
  hash(...parts: Uint8Array[]): Uint8Array {
    return this.#suite.hash(...parts);
  }
  mac(key: Uint8Array, input: Uint8Array): Uint8Array {
    return this.#suite.mac(key, input);
  }
  hmac(key: Uint8Array, input: Uint8Array): Uint8Array {
    return this.#suite.hmac(key, input);
  }
  xaeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, additional: Uint8Array): Uint8Array {
    return this.#suite.xaeadSeal(key, nonce, plaintext, additional);
  }
  xaeadOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    additional: Uint8Array,
  ): Uint8Array | undefined {
    return this.#suite.xaeadOpen(key, nonce, sealed, additional);
  }
  equal(a: Uint8Array, b: Uint8Array): boolean {
    return this.#suite.equal(a, b);
  }

  aead(key: Uint8Array): Aead {
    const real = this.#suite.aead(key);
    const name = bytesKey(key);
    return {
      seal: (high, low, buffer, offset, length, additional) => {
        if (additional !== undefined || high >= MAX_HIGH)
          return real.seal(high, low, buffer, offset, length, additional);
        const counter = high * TWO_32 + low;
        const known = this.#sealed.get(name)?.get(counter);
        if (known !== undefined && isAt(buffer, offset, length, known.plaintext)) {
          buffer.set(known.ciphertext, offset);
          return;
        }
        const plaintext = copyBytes(buffer.subarray(offset, offset + length));
        real.seal(high, low, buffer, offset, length);
        const end = offset + length + TAG_BYTES;
        this.#remember(name, counter, { plaintext, ciphertext: copyBytes(buffer.subarray(offset, end)) });
      },
      open: (high, low, buffer, offset, length, additional) => {
        const isKnown = additional === undefined && high < MAX_HIGH;
        const known = isKnown ? this.#sealed.get(name)?.get(high * TWO_32 + low) : undefined;
        if (known !== undefined && isAt(buffer, offset, length, known.ciphertext)) {
          buffer.set(known.plaintext, offset);
          return true;
        }
        return real.open(high, low, buffer, offset, length, additional);
      },
      destroy: () => real.destroy(),
    };
  }

  #product(name: string, compute: () => Uint8Array | undefined): Uint8Array | undefined {
    if (!this.#products.has(name)) {
      this.#charge(name.length);
      this.#products.set(name, compute());
    }
    const product = this.#products.get(name);
    // The caller may wipe what it gets.
    return product && copyBytes(product);
  }

  #remember(key: string, counter: number, sealed: Sealed): void {
    this.#charge(sealed.plaintext.length + sealed.ciphertext.length);
    const ofKey = this.#sealed.get(key) ?? new Map<number, Sealed>();
    this.#sealed.set(key, ofKey.set(counter, sealed));
  }

  #charge(bytes: number): void {
    this.#bytes += bytes + ENTRY_BYTES;
    if (this.#bytes <= this.#maxBytes) return;
    this.#bytes = bytes + ENTRY_BYTES;
    this.#products.clear();
    this.#sealed.clear();
  }
}

function isAt(buffer: Uint8Array, offset: number, length: number, bytes: Uint8Array): boolean {
  if (length !== bytes.length) return false;
  for (let i = 0; i < length; i++) if (buffer[offset + i] !== bytes[i]) return false;
  return true;
}
