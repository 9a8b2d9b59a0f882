/** Packets that wait for an acknowledgement, by their numbers. */
import type { AckRange } from '../observer/packet-view.js';

/** Removed packets at the front are given up in blocks of this size. */
const SPARE = 256;

/** What a rule notes of each packet until it is acknowledged, in the order of the numbers.
 *
 *  Packets are added in ascending order. An acknowledgement costs as much as there are packets up to its largest number
 *  that still wait, however long its ranges are. */
export class Unacknowledged<T> {
  /** The numbers that still wait and their values, from `#first` on. */
  readonly #numbers: number[] = [];
  readonly #values: T[] = [];
  #first = 0;

  get(packetNumber: number): T | undefined {
    let [low, high] = [this.#first, this.#numbers.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#numbers[middle] as number) < packetNumber) low = middle + 1;
      else high = middle;
    }
    return this.#numbers[low] === packetNumber ? this.#values[low] : undefined;
  }

  /** The smallest number that waits, or infinity. */
  get smallest(): number {
    return this.#first < this.#numbers.length ? (this.#numbers[this.#first] as number) : Infinity;
  }

  add(packetNumber: number, value: T): void {
    this.#numbers.push(packetNumber);
    this.#values.push(value);
  }

  clear(): void {
    this.#numbers.length = 0;
    this.#values.length = 0;
    this.#first = 0;
  }

  forEach(visit: (packetNumber: number, value: T) => void): void {
    for (let i = this.#first; i < this.#numbers.length; i++) {
      visit(this.#numbers[i] as number, this.#values[i] as T);
    }
  }

  /** Removes the packets in these descending ranges, and shows each. */
  takeRanges(ranges: readonly AckRange[], onTaken: (packetNumber: number, value: T) => void): void {
    const largest = ranges[0]?.[1] ?? -1;
    if (this.smallest > largest) return;
    let range = ranges.length - 1;
    let [low, high] = ranges[range] as AckRange;
    const isIn = (n: number) => {
      while (n > high) [low, high] = ranges[--range] as AckRange;
      return n >= low;
    };
    this.takeUpTo(largest, isIn, onTaken);
  }

  /** Removes the packets up to `largest` that are chosen, and shows each. */
  takeUpTo(
    largest: number,
    isChosen: (packetNumber: number, value: T) => boolean,
    onTaken: (packetNumber: number, value: T) => void,
  ): void {
    const [numbers, values] = [this.#numbers, this.#values];
    let end = this.#first;
    let left = end;
    for (; end < numbers.length && (numbers[end] as number) <= largest; end++) {
      const packetNumber = numbers[end] as number;
      const value = values[end] as T;
      if (isChosen(packetNumber, value)) onTaken(packetNumber, value);
      else {
        numbers[left] = packetNumber;
        values[left++] = value;
      }
    }
    if (left === end) return;
    // What is left moves up to the packets that were not looked at.
    let to = end;
    while (left > this.#first) {
      numbers[--to] = numbers[--left] as number;
      values[to] = values[left] as T;
    }
    this.#first = to;
    if (to < SPARE || 2 * to < numbers.length) return;
    numbers.splice(0, to);
    values.splice(0, to);
    this.#first = 0;
  }
}
