import type { PacketLog } from './recovery/packet-log.js';

/** Skipped numbers are at least this far apart. */
const MIN_DISTANCE = 64;

/** Skips a packet number now and then (RFC 9000 §21.4; spec streams 2.2).
 *
 *  A peer that acknowledges packets that it has not received makes us send too fast. It cannot know which numbers were
 *  skipped, so sooner or later it acknowledges one of them and is found out. About one number per window is skipped.
 *  The packet builder owns this object, and calls it before each packet. */
export class SkippedNumbers {
  readonly #random: (length: number) => Uint8Array;
  #next: number;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
    this.#next = MIN_DISTANCE + this.#draw(MIN_DISTANCE);
  }

  /** Skips the next number if its turn has come. It must be called before each packet.
   *  @param windowDatagrams how many datagrams the congestion window holds */
  skipIfDue(log: PacketLog, windowDatagrams: number): void {
    if (log.next !== this.#next) return;
    log.skip();
    this.#next = log.next + MIN_DISTANCE + this.#draw(2 * Math.max(windowDatagrams, MIN_DISTANCE));
  }

  /** Draws a random whole number in [0, below). */
  #draw(below: number): number {
    const random = this.#random(4);
    const value = ((random[0] as number) << 16) | ((random[1] as number) << 8) | (random[2] as number);
    return value % below;
  }
}
