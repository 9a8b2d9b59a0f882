/** How many other processes use a client at present. */

/** Each use calls `enter` when it begins and the returned function when it ends. */
export class JoinedCount {
  #count = 0;
  #waiting: (() => void)[] = [];

  /** @returns a function to call, once, at the end */
  enter(): () => void {
    this.#count++;
    return () => {
      if (--this.#count === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    };
  }

  /** Resolves as soon as there is no use. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
