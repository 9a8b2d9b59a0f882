interface Entry {
  readonly value: number;
  readonly time: number;
}

/** The greatest of the values of the last few rounds or cycles.
 *
 *  "Time" here is a count of rounds or cycles that the owner passes in. Each value counts for a fixed number of them.
 *  The filter keeps only values that can still become the maximum, so it holds few, and the maximum is always the
 *  first. */
export class MaxFilter {
  readonly #length: number;
  /** Values in descending order, at ascending times. */
  #entries: Entry[] = [];

  /** @param length for how many units of time a value counts, including its own */
  constructor(length: number) {
    this.#length = length;
  }

  /** The maximum; 0 if there is no value yet. */
  get max(): number {
    return this.#entries[0]?.value ?? 0;
  }

  /** Adds a value.
   *  @param time never lower than in an earlier call */
  update(value: number, time: number): void {
    const last = this.#entries.at(-1);
    if (last === undefined || last.time !== time || last.value < value) {
      while ((this.#entries.at(-1)?.value ?? Number.POSITIVE_INFINITY) <= value) this.#entries.pop();
      this.#entries.push({ value, time });
    }
    // Only now, because a value that was the only one may be too old since there is another.
    this.expire(time);
  }

  /** Forgets the values that are too old. The newest value stays until there is another one. */
  expire(time: number): void {
    while (this.#entries.length > 1 && (this.#entries[0] as Entry).time <= time - this.#length) {
      this.#entries.shift();
    }
  }
}
