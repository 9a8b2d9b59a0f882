/** HChaCha20 (draft-irtf-cfrg-xchacha-03 §2.2), slow and obvious. XChaCha20-Poly1305 with a nonce of 24 bytes is
 *  ChaCha20-Poly1305 with its last 8 bytes as the counter, under a key that this function derives from its first 16. */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];
const COLUMNS_AND_DIAGONALS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

/** @param nonce  16 bytes */
export function hchacha20(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const state = Uint32Array.from([...CONSTANTS, ...wordsOf(key), ...wordsOf(nonce)]);
  for (let doubleRound = 0; doubleRound < 10; doubleRound++) {
    for (const [a, b, c, d] of COLUMNS_AND_DIAGONALS) quarterRound(state, a, b, c, d);
  }
  const output = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 4; i++) {
    output.setUint32(4 * i, state[i] as number, true);
    output.setUint32(16 + 4 * i, state[12 + i] as number, true);
  }
  return new Uint8Array(output.buffer);
}

function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  addThenRotate(state, a, b, d, 16);
  addThenRotate(state, c, d, b, 12);
  addThenRotate(state, a, b, d, 8);
  addThenRotate(state, c, d, b, 7);
}

/** x += y, then z = (z ^ x) rotated left. */
function addThenRotate(state: Uint32Array, x: number, y: number, z: number, bits: number): void {
  state[x] = (state[x] as number) + (state[y] as number);
  const word = (state[z] as number) ^ (state[x] as number);
  state[z] = (word << bits) | (word >>> (32 - bits));
}

function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}
