/** A short digest of a whole run: two runs with the same digest did the same. */

/** Two lanes of FNV-1a. It distinguishes runs but does not resist deliberate collisions. */
export class Digest {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;
  readonly #number = new Float64Array(1);
  readonly #numberWords = new Int32Array(this.#number.buffer);

  bytes(bytes: Uint8Array): void {
    let a = this.#a;
    let b = this.#b;
    let i = 0;
    for (; i + 4 <= bytes.length; i += 4) {
      const word =
        (bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24);
      a = Math.imul(a ^ word, 0x01000193);
      b = Math.imul(b ^ word, 0x85ebca6b);
      b ^= b >>> 15;
    }
    for (; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte, 0x85ebca6b);
      b ^= b >>> 15;
    }
    this.#a = a;
    this.#b = b;
    this.number(bytes.length);
  }

  text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#word(text.charCodeAt(i));
    this.#word(text.length);
  }

  number(value: number): void {
    this.#number[0] = value;
    this.#word(this.#numberWords[0] as number);
    this.#word(this.#numberWords[1] as number);
  }

  #word(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193);
    this.#b = Math.imul(this.#b ^ word, 0x85ebca6b);
    this.#b ^= this.#b >>> 15;
  }

  /** 16 hexadecimal digits. */
  get value(): string {
    return [this.#a, this.#b].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
