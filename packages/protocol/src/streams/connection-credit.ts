/** Flow control over all streams of a connection (spec streams 5.3): what the peer may send us, and what it lets us send. Bytes. */
import { INITIAL_MAX_DATA_BYTES } from '../transport-constants.js';

/** MAX_DATA goes out when less than this share of the window is left. */
const RENEW_SHARE = 0.75;

export class ConnectionCredit {
  /** What MAX_DATA states: all that the peer may ever send. */
  granted: number;
  /** MAX_DATA has to go out. */
  isDue = false;
  /** New bytes of streams: what is sent again does not count. */
  sentBytes = 0;
  /** Up to the greatest offset that arrived on each stream. */
  receivedBytes = 0;

  readonly #windowBytes: number;
  #consumed = 0;
  #maximumOfPeer = INITIAL_MAX_DATA_BYTES;
  #blockedSentFor = -1;

  /** @param windowBytes the peer's share of memory: what is granted beyond what was read */
  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
    this.granted = windowBytes;
  }

  // ---- sending ----------------------------------------------------------------------------------------------

  /** New bytes that the peer still allows. */
  get available(): number {
    return this.#maximumOfPeer - this.sentBytes;
  }

  /** @returns false when the limit is no higher than before */
  raise(maximum: number): boolean {
    if (maximum <= this.#maximumOfPeer) return false;
    this.#maximumOfPeer = maximum;
    return true;
  }

  /** The limit to tell in DATA_BLOCKED, once per limit, or undefined. To be asked when something waits. */
  takeBlocked(): number | undefined {
    if (this.available > 0 || this.#blockedSentFor === this.#maximumOfPeer) return undefined;
    this.#blockedSentFor = this.#maximumOfPeer;
    return this.#maximumOfPeer;
  }

  // ---- receiving --------------------------------------------------------------------------------------------

  /** Bytes held for the reader. */
  get unreadBytes(): number {
    return this.receivedBytes - this.#consumed;
  }

  /** Whether the peer may send so much more. */
  permits(bytes: number): boolean {
    return this.receivedBytes + bytes <= this.granted;
  }

  /** The reader took so much, or will never take it: others may have its room. */
  consume(bytes: number): void {
    this.#consumed += bytes;
    if (this.granted - this.#consumed > this.#windowBytes * RENEW_SHARE) return;
    this.granted = this.#consumed + this.#windowBytes;
    this.isDue = true;
  }
}
