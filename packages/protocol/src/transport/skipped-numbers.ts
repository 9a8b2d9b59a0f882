/** Leaves out a packet number now and then (RFC 9000 §21.4): a peer that acknowledges more than it has received names one of them sooner
 *  or later, and is found out (spec streams 2.2). About one number in each window is left out. */
import type { PacketLog } from './recovery/packet-log.js';

/** Two of them are at least this far apart. */
const MIN_DISTANCE = 64;

export class SkippedNumbers {
  readonly #random: (length: number) => Uint8Array;
  #next: number;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
    this.#next = MIN_DISTANCE + this.#draw(MIN_DISTANCE);
  }

  /** Leaves out the number of the packet that is about to be built, if its turn has come. */
  skipIfDue(log: PacketLog, windowDatagrams: number): void {
    if (log.next !== this.#next) return;
    log.skip();
    this.#next = log.next + MIN_DISTANCE + this.#draw(2 * Math.max(windowDatagrams, MIN_DISTANCE));
  }

  /** @returns a whole number in [0, below) */
  #draw(below: number): number {
    const random = this.#random(4);
    const value = ((random[0] as number) << 16) | ((random[1] as number) << 8) | (random[2] as number);
    return value % below;
  }
}
