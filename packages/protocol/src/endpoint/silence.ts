/** When a peer was heard, and whether somebody waits for it (spec outage 2). All times are milliseconds of the caller's clock. */

/** A shorter wait is not worth telling. */
const MIN_WAITING_MS = 1_000;

export class Silence {
  /** When an authenticated datagram last arrived. */
  heardAt: number | undefined;
  /** `heardAt` of a peer that is told to be waited for. */
  waitingSince: number | undefined;
  /** Since when an answer is due that did not come: silence while nothing was asked is none of it. */
  #askingSince: number | undefined;

  /** @returns how long it was silent if it was waited for, or undefined */
  onHeard(now: number): number | undefined {
    const silentMs = this.waitingSince === undefined ? undefined : now - this.waitingSince;
    this.heardAt = now;
    this.#askingSince = undefined;
    this.waitingSince = undefined;
    return silentMs;
  }

  /** An answer is due. */
  ask(now: number): void {
    this.#askingSince ??= now;
  }

  /** Nothing can be done but wait. @returns since when, if that is to be told now and was not before */
  wait(now: number): number | undefined {
    this.ask(now);
    if (this.waitingSince !== undefined || this.heardAt === undefined) return undefined;
    if (now - (this.#askingSince as number) < MIN_WAITING_MS) return undefined;
    this.waitingSince = this.heardAt;
    return this.heardAt;
  }

  /** Whatever was waited for is over. */
  end(): void {
    this.#askingSince = undefined;
    this.waitingSince = undefined;
  }
}
