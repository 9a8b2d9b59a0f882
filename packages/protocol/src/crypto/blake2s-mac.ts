/** WireGuard's MAC: keyed BLAKE2s with 16 bytes of output (RFC 7693).
 *
 *  Turning away a forged handshake message costs one MAC and little else, so the MAC has to be cheap. A library that
 *  creates an object for each call takes more than three times as long for inputs this short
 *  (docs/adr/0012-handshake-floods.md). The tests compare this function with noble's on random inputs. Its branches and
 *  memory accesses depend on lengths alone, never on the bytes of the key or the input. */
import { assert } from '../assert.js';
import { readUint32, writeUint32 } from '../little-endian.js';
import { KEY_BYTES } from './suite.js';

const BLOCK_BYTES = 64;
const WORDS = 16;
const OUTPUT_BYTES = 16;
const ROUNDS = 10;

/** The initialization vector (RFC 7693 §2.6). */
const IV = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);

/** Which word of the block each step of each round takes (RFC 7693 §2.7). */
const SIGMA = Uint8Array.of(
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  ...[14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  ...[11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  ...[7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  ...[9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  ...[2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  ...[12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  ...[13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  ...[6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  ...[10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
);

// All calls share these, which is safe because no call can start within another. They are zero between calls, because
// they hold the key.
const state = new Int32Array(8);
const work = new Int32Array(WORDS);
const block = new Int32Array(WORDS);

/** Computes the MAC of `input`, which may be of any length.
 *  @param key 16 to 32 bytes
 *  @returns 16 bytes */
export function blake2sMac(key: Uint8Array, input: Uint8Array): Uint8Array {
  assert(key.length >= OUTPUT_BYTES && key.length <= KEY_BYTES, 'a MAC key has 16 to 32 bytes');
  state.set(IV);
  // The parameter block (RFC 7693 §2.5): output length, key length, fanout 1, depth 1.
  state[0] = (state[0] as number) ^ OUTPUT_BYTES ^ (key.length << 8) ^ 0x01010000;
  const total = BLOCK_BYTES + input.length;
  readBlock(key, 0);
  compress(BLOCK_BYTES, total === BLOCK_BYTES);
  for (let offset = 0; offset < input.length; offset += BLOCK_BYTES) {
    readBlock(input, offset);
    const end = BLOCK_BYTES + offset + BLOCK_BYTES;
    compress(Math.min(end, total), end >= total);
  }
  const output = new Uint8Array(OUTPUT_BYTES);
  for (let i = 0; i < OUTPUT_BYTES; i += 4) writeUint32(output, i, state[i >>> 2] as number);
  state.fill(0);
  work.fill(0);
  block.fill(0);
  return output;
}

/** Loads the 64 bytes at `offset` into `block`. If there are fewer, zeros follow them. */
function readBlock(bytes: Uint8Array, offset: number): void {
  const available = Math.min(bytes.length - offset, BLOCK_BYTES);
  const whole = available >>> 2;
  for (let i = 0; i < whole; i++) block[i] = readUint32(bytes, offset + 4 * i);
  block.fill(0, whole);
  for (let i = 4 * whole; i < available; i++) {
    block[i >>> 2] = (block[i >>> 2] as number) | ((bytes[offset + i] as number) << (8 * (i & 3)));
  }
}

/** Mixes `block` into `state`: the function F (RFC 7693 §3.2).
 *  @param counted bytes up to the end of this block, including the 64 of the key's block */
function compress(counted: number, isLast: boolean): void {
  work.set(state);
  work.set(IV, 8);
  work[12] = (work[12] as number) ^ counted;
  if (isLast) work[14] = ~(work[14] as number);
  for (let at = 0; at < ROUNDS * WORDS; at += WORDS) {
    mix(0, 4, 8, 12, at);
    mix(1, 5, 9, 13, at + 2);
    mix(2, 6, 10, 14, at + 4);
    mix(3, 7, 11, 15, at + 6);
    mix(0, 5, 10, 15, at + 8);
    mix(1, 6, 11, 12, at + 10);
    mix(2, 7, 8, 13, at + 12);
    mix(3, 4, 9, 14, at + 14);
  }
  for (let i = 0; i < 8; i++) {
    state[i] = (state[i] as number) ^ (work[i] as number) ^ (work[i + 8] as number);
  }
}

/** Mixes two words of `block` into four words of `work`: the function G (RFC 7693 §3.1).
 *  @param sigmaAt where SIGMA names these two words */
function mix(ia: number, ib: number, ic: number, id: number, sigmaAt: number): void {
  const x = block[SIGMA[sigmaAt] as number] as number;
  const y = block[SIGMA[sigmaAt + 1] as number] as number;
  let b = work[ib] as number;
  let a = ((work[ia] as number) + b + x) | 0;
  let d = rotateRight((work[id] as number) ^ a, 16);
  let c = ((work[ic] as number) + d) | 0;
  b = rotateRight(b ^ c, 12);
  a = (a + b + y) | 0;
  d = rotateRight(d ^ a, 8);
  c = (c + d) | 0;
  b = rotateRight(b ^ c, 7);
  work[ia] = a;
  work[ib] = b;
  work[ic] = c;
  work[id] = d;
}

function rotateRight(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
