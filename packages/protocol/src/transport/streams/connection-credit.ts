/** Flow control over all streams of a connection (spec streams 5.3): what the peer may send us, and what it lets us send. Bytes. */
import { INITIAL_MAX_DATA_BYTES } from '../limits.js';
import type { FrameRequests } from './frame-requests.js';

/** MAX_DATA goes out when it adds this share to what the peer may send. */
const RENEW_SHARE = 0.25;

export class ConnectionCredit {
  /** What MAX_DATA states: all that the peer may ever send. */
  granted: number;
  /** New bytes of streams: what is sent again does not count. */
  sentBytes = 0;
  #received = 0;

  readonly #windowBytes: number;
  readonly #requests: Pick<FrameRequests, 'requestMaxData'>;
  #consumed = 0;
  #maximumOfPeer = INITIAL_MAX_DATA_BYTES;
  /** The limit for which DATA_BLOCKED was sent. */
  blockedSentFor = -1;

  /** @param windowBytes the peer's share of memory: what is granted beyond what was read */
  constructor(windowBytes: number, requests: Pick<FrameRequests, 'requestMaxData'>) {
    this.#windowBytes = windowBytes;
    this.#requests = requests;
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

  /** The limit for which DATA_BLOCKED has to go out, once per limit, or undefined. To be asked when something waits. */
  get blockedAt(): number | undefined {
    if (this.available > 0 || this.blockedSentFor === this.#maximumOfPeer) return undefined;
    return this.#maximumOfPeer;
  }

  // ---- receiving --------------------------------------------------------------------------------------------

  /** Up to the greatest offset that arrived on each stream. */
  get receivedBytes(): number {
    return this.#received;
  }
  /** Bytes held for the reader. */
  get unreadBytes(): number {
    return this.#received - this.#consumed;
  }
  /** What is left of the window beside them. */
  get freeBytes(): number {
    return this.#windowBytes - this.unreadBytes;
  }

  /** Whether the peer may send so much more. */
  permits(bytes: number): boolean {
    return this.#received + bytes <= this.granted;
  }

  /** So much more arrived. */
  receive(bytes: number): void {
    this.#received += bytes;
    this.#renew();
  }

  /** The reader took so much, or will never take it: others may have its room. */
  consume(bytes: number): void {
    this.#consumed += bytes;
    this.#renew();
  }

  /** A share of what is free and not of the window: with most of it unread, the rest would not come back before it is used up. */
  #renew(): void {
    const limit = this.#consumed + this.#windowBytes;
    const gain = limit - this.granted;
    if (gain <= 0 || gain < RENEW_SHARE * this.freeBytes) return;
    this.granted = limit;
    this.#requests.requestMaxData();
  }
}
