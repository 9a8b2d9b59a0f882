/** Repeatable randomness: the same seed gives the same numbers on every machine. */

/** The randomness of a simulation.
 *
 *  Generators are derived by name, so that one more draw in one place does not change the draws of another. The
 *  algorithm is sfc32 (PractRand): small, fast and good enough for tests. It must never produce secrets. */
export class SeededRandom {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    this.#seed = String(seed);
    const [a, b, c] = hashText(this.#seed);
    this.#a = a;
    this.#b = b;
    this.#c = c;
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** A new generator, which does not depend on what was drawn from this one. */
  derive(name: string): SeededRandom {
    return new SeededRandom(`${this.#seed}/${name}`);
  }

  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result;
    this.#c |= 0;
    return result >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  /** In [low, high). */
  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1));
  }

  /** A whole number from `low` to `high`, with every order of magnitude equally likely. */
  magnitude(low: number, high: number): number {
    return Math.min(high, Math.floor(Math.exp(this.between(Math.log(low), Math.log(high + 1)))));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)] as T;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let word = 0;
    for (let i = 0; i < length; i++) {
      if (i % 4 === 0) word = this.uint32();
      bytes[i] = word;
      word >>>= 8;
    }
    return bytes;
  }
}

/** Hashes a text to three words, by FNV-1a with three different bases. */
function hashText(text: string): [number, number, number] {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  let c = 0x85ebca6b;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x01000193);
    c = Math.imul(c ^ code, 0x01000193);
  }
  return [a, b, c];
}
