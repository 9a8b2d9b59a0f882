/** The greatest of the values of the last few rounds or cycles. */

interface Entry {
  readonly value: number;
  readonly time: number;
}

export class MaxFilter {
  readonly #length: number;
  /** Falling values at rising times: the first is the maximum. */
  #entries: Entry[] = [];

  /** @param length how many units of time a value counts, its own included */
  constructor(length: number) {
    this.#length = length;
  }

  get max(): number {
    return this.#entries[0]?.value ?? 0;
  }

  /** @param time a count that only rises */
  update(value: number, time: number): void {
    this.expire(time);
    const last = this.#entries.at(-1);
    if (last !== undefined && last.time === time && last.value >= value) return;
    while ((this.#entries.at(-1)?.value ?? Number.POSITIVE_INFINITY) <= value) this.#entries.pop();
    this.#entries.push({ value, time });
  }

  /** Forgets what is too old; the newest stays until there is another. */
  expire(time: number): void {
    while (this.#entries.length > 1 && (this.#entries[0] as Entry).time <= time - this.#length) {
      this.#entries.shift();
    }
  }
}
