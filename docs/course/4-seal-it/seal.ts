/** Step 4: datagrams that nobody else can read, change or repeat. Both sides know each other's public key.
 *
 *  A sealed datagram: nonce (24 bytes), then a NaCl box of the message, which is 16 bytes longer than the message.
 *  The nonce: role (1 byte), run (15 random bytes, drawn when the process starts), counter (8 bytes, from 1). */
import { randomBytes } from 'node:crypto';
import nacl from 'tweetnacl';

export type Role = 'client' | 'relay';

const NONCE_BYTES = 24;
const RUN_BYTES = 15;
const COUNTER_AT = 1 + RUN_BYTES;
/** How far behind the newest datagram an older one may come. Networks reorder; 64 is a bit for each in one BigInt. */
const WINDOW = 64n;

/** Seals what one side sends and opens what it receives.
 *
 *  The two sides' keys give one shared secret, the same in both directions. So three things must never happen: a nonce
 *  used twice (two messages under one nonce give away both, and let anybody forge more), a datagram accepted twice, and
 *  a datagram accepted by the side that sent it. The nonce prevents all three. */
export class SealedChannel {
  readonly #sharedKey: Uint8Array;
  readonly #role: Role;
  /** Different in every run of the process: counters start again, but nonces don't repeat. */
  readonly #run: Uint8Array;
  #lastCounter = 0n;
  #received = new Received();

  /** @param ownSecretKey  32 bytes, as nacl.box.keyPair() makes them
   *  @param random  returns n random bytes */
  constructor(
    role: Role,
    ownSecretKey: Uint8Array,
    peerPublicKey: Uint8Array,
    random: (n: number) => Uint8Array = randomBytes,
  ) {
    this.#role = role;
    this.#sharedKey = nacl.box.before(peerPublicKey, ownSecretKey);
    this.#run = random(RUN_BYTES);
  }

  seal(message: Uint8Array): Uint8Array {
    const nonce = new Uint8Array(NONCE_BYTES);
    nonce[0] = roleByte(this.#role);
    nonce.set(this.#run, 1);
    writeCounter(nonce, ++this.#lastCounter);
    const box = nacl.box.after(message, nonce, this.#sharedKey);
    const datagram = new Uint8Array(NONCE_BYTES + box.length);
    datagram.set(nonce);
    datagram.set(box, NONCE_BYTES);
    return datagram;
  }

  /** @returns the message, or undefined if the datagram is forged, altered, repeated, too old, or our own */
  open(datagram: Uint8Array): Uint8Array | undefined {
    if (datagram.length < NONCE_BYTES) return undefined;
    const nonce = datagram.subarray(0, NONCE_BYTES);
    // Somebody may send our own datagrams back to us. They are authentic: the key is the same in both directions.
    if (nonce[0] !== roleByte(this.#role === 'client' ? 'relay' : 'client')) return undefined;
    const message = nacl.box.open.after(datagram.subarray(NONCE_BYTES), nonce, this.#sharedKey);
    if (message === null) return undefined;
    // Only now does it have an effect. Before, any stranger's datagram with a high counter would shut out the honest ones.
    const isNew = this.#received.accept(nonce.subarray(1, COUNTER_AT), readCounter(nonce));
    return isNew ? message : undefined;
  }

  /** Overwrites the shared key when the channel is no longer needed, so that it can't be found in memory later. */
  destroy(): void {
    this.#sharedKey.fill(0);
  }
}

/** Which datagrams of the peer's present run have been received: the highest counter, and a bit for each of the 64 below.
 *
 *  When an authentic datagram of another run comes, the peer has restarted, and the counting starts again. Here is the hole
 *  that this step leaves: a recording of an *old* run is authentic too. Only a handshake, in which both sides contribute
 *  something fresh, can close it. */
class Received {
  #run = '';
  #highest = 0n;
  #bits = 0n;

  accept(run: Uint8Array, counter: bigint): boolean {
    const name = Buffer.from(run).toString('hex');
    if (name !== this.#run) {
      this.#run = name;
      this.#highest = 0n;
      this.#bits = 0n;
    }
    if (counter > this.#highest) {
      this.#bits = ((this.#bits << (counter - this.#highest)) | 1n) & ((1n << WINDOW) - 1n);
      this.#highest = counter;
      return true;
    }
    const age = this.#highest - counter;
    if (age >= WINDOW || (this.#bits >> age) & 1n) return false;
    this.#bits |= 1n << age;
    return true;
  }
}

function roleByte(role: Role): number {
  return role === 'client' ? 1 : 2;
}

function writeCounter(nonce: Uint8Array, counter: bigint): void {
  new DataView(nonce.buffer, nonce.byteOffset).setBigUint64(COUNTER_AT, counter);
}

function readCounter(nonce: Uint8Array): bigint {
  return new DataView(nonce.buffer, nonce.byteOffset).getBigUint64(COUNTER_AT);
}
