import { announcedVarintLength, readVarint } from '@underpass/protocol';
import type { Field, Part } from './dissection.js';
import { byteCount, hex } from './words.js';

/** Collects the fields of a datagram from front to back.
 *
 *  The caller opens a part, reads its fields one after the other, and goes on to the next part. Every byte that is read
 *  becomes part of a field, so the fields cover what has been read without a gap. The first field that cannot be read
 *  sets `problem`. From then on nothing is read: numbers are 0 and bytes are empty. The caller therefore needs no check
 *  after each field, and puts what is left into a last part with `rest`. */
export class FieldReader {
  readonly parts: Part[] = [];
  readonly #bytes: Uint8Array;
  #position: number;
  #end: number;
  #fields: Field[] = [];
  #spec = '';
  #problem: string | undefined;

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.#bytes = bytes;
    this.#position = position;
    this.#end = end;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** The number of bytes that can still be read. */
  get left(): number {
    return this.#problem === undefined ? this.#end - this.#position : 0;
  }

  /** The next byte, which is not read yet, or -1 at the end. */
  get nextByte(): number {
    return this.left > 0 ? (this.#bytes[this.#position] as number) : -1;
  }

  /** Reads the fields of one part. @param read  reads them and returns the part's summary */
  part(name: string, spec: string, read: () => string): void {
    this.#fields = [];
    this.#spec = spec;
    const summary = read();
    if (this.#fields.length > 0) this.parts.push({ name, summary, spec, fields: this.#fields });
  }

  /** Reads a number in the variable-length encoding (spec streams 1.3). */
  varint(name: string, words: (value: number) => string = String): number {
    if (this.#problem !== undefined) return 0;
    const first = this.#bytes[this.#position] as number;
    if (this.left < 1 || this.left < announcedVarintLength(first)) return this.fail('truncated frame');
    const value = readVarint(this.#bytes, this.#position);
    if (value < 0) return this.fail('number above 2^53 - 1');
    this.#add(name, announcedVarintLength(first), words(value));
    return value;
  }

  /** Reads `length` bytes. */
  bytes(name: string, length: number, words: (value: Uint8Array) => string = hex): Uint8Array {
    if (this.#problem === undefined && length > this.left) this.fail('truncated frame');
    if (this.#problem !== undefined) return new Uint8Array(0);
    const value = this.#bytes.subarray(this.#position, this.#position + length);
    if (length > 0) this.#add(name, length, words(value));
    return value;
  }

  /** Reads one byte. */
  byte(name: string, words: (value: number) => string = String): number {
    return this.bytes(name, 1, ([value]) => words(value as number))[0] ?? 0;
  }

  /** Reads all zero bytes up to the next other byte. @returns how many there were */
  zeros(name: string): number {
    let length = 0;
    while (length < this.left && this.#bytes[this.#position + length] === 0) length++;
    if (length > 0) this.#add(name, length, byteCount(length));
    return length;
  }

  /** Lets `read` see only the next `length` bytes. What it leaves becomes a field with the name `leftover`. */
  within(length: number, leftover: string, read: () => void): void {
    if (this.#problem === undefined && length > this.left) this.fail('truncated frame');
    if (this.#problem !== undefined) return;
    const end = this.#end;
    this.#end = this.#position + length;
    read();
    if (this.left > 0) this.bytes(leftover, this.left);
    this.#end = end;
  }

  /** Puts all bytes that are left into one part with one field. */
  rest(name: string, spec: string, value: string): void {
    const length = this.#end - this.#position;
    if (length === 0) return;
    this.#fields = [];
    this.#spec = spec;
    this.#add(name, length, value);
    this.parts.push({ name, summary: value, spec, fields: this.#fields });
  }

  /** Declares the rest undecodable. The first problem counts. */
  fail(problem: string): 0 {
    this.#problem ??= problem;
    return 0;
  }

  #add(name: string, length: number, value: string): void {
    this.#fields.push({ offset: this.#position, length, name, value, spec: this.#spec });
    this.#position += length;
  }
}
