/** A set of whole numbers, kept as sorted ranges [start, end) that neither overlap nor touch.
 *
 *  It suits numbers that come mostly in order: packet numbers that arrived, bytes that were acknowledged, bytes that
 *  were lost. There are usually few ranges, and an addition at the end is the fast case; any other change takes time in
 *  proportion to their number. The set itself has no limit. An owner whose peer could fill it keeps `count` within
 *  bounds, with the help of `wouldSplit` and `dropLowest`. */
export class RangeSet {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  /** The number of separate ranges. */
  get count(): number {
    return this.#starts.length;
  }

  get isEmpty(): boolean {
    return this.#starts.length === 0;
  }

  /** The first number of range `i`. Range 0 is the lowest. */
  start(i: number): number {
    return this.#starts[i] as number;
  }
  /** The number after the last one of range `i`. */
  end(i: number): number {
    return this.#ends[i] as number;
  }

  /** Adds [start, end).
   *  @returns how many of these numbers were not in the set before */
  add(start: number, end: number): number {
    if (end <= start) return 0;
    const last = this.#starts.length - 1;
    if (last < 0 || start > (this.#ends[last] as number)) {
      this.#starts.push(start);
      this.#ends.push(end);
      return end - start;
    }
    const from = this.#firstEndingAtOrAfter(start);
    let to = from;
    let mergedStart = start;
    let mergedEnd = end;
    let known = 0;
    while (to <= last && (this.#starts[to] as number) <= end) {
      const s = this.#starts[to] as number;
      const e = this.#ends[to] as number;
      if (s < mergedStart) mergedStart = s;
      if (e > mergedEnd) mergedEnd = e;
      known += Math.max(0, Math.min(e, end) - Math.max(s, start));
      to++;
    }
    if (to - from === 1) {
      this.#starts[from] = mergedStart;
      this.#ends[from] = mergedEnd;
    } else {
      this.#starts.splice(from, to - from, mergedStart);
      this.#ends.splice(from, to - from, mergedEnd);
    }
    return end - start - known;
  }

  /** Removes [start, end). */
  remove(start: number, end: number): void {
    if (end <= start) return;
    let i = this.#firstEndingAtOrAfter(start + 1);
    while (i < this.#starts.length && (this.#starts[i] as number) < end) {
      const s = this.#starts[i] as number;
      const e = this.#ends[i] as number;
      if (s < start && e > end) {
        this.#ends[i] = start;
        this.#starts.splice(i + 1, 0, end);
        this.#ends.splice(i + 1, 0, e);
        return;
      }
      if (s < start) {
        this.#ends[i++] = start;
      } else if (e > end) {
        this.#starts[i] = end;
        return;
      } else {
        this.#starts.splice(i, 1);
        this.#ends.splice(i, 1);
      }
    }
  }

  has(value: number): boolean {
    const i = this.#firstEndingAtOrAfter(value + 1);
    return i < this.#starts.length && (this.#starts[i] as number) <= value;
  }

  /** Returns the first number in [from, end) that is not in the set, or `end` if all of them are. */
  nextMissing(from: number, end: number): number {
    const i = this.#firstEndingAtOrAfter(from + 1);
    if (i === this.#starts.length || (this.#starts[i] as number) > from) return Math.min(from, end);
    return Math.min(this.#ends[i] as number, end);
  }

  /** Returns the first number in [from, end) that is in the set, or `end` if none of them is. */
  nextPresent(from: number, end: number): number {
    const i = this.#firstEndingAtOrAfter(from + 1);
    return i === this.#starts.length ? end : Math.min(Math.max(this.#starts[i] as number, from), end);
  }

  /** Whether adding [start, end) would create one more range. */
  wouldSplit(start: number, end: number): boolean {
    const i = this.#firstEndingAtOrAfter(start);
    return i === this.#starts.length || (this.#starts[i] as number) > end;
  }

  /** Removes the whole lowest range. */
  dropLowest(): void {
    this.#starts.shift();
    this.#ends.shift();
  }

  clear(): void {
    this.#starts.length = 0;
    this.#ends.length = 0;
  }

  /** The index of the first range whose `end` is at least `value`; `count` if there is none. */
  #firstEndingAtOrAfter(value: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
