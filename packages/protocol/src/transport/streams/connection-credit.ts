import { INITIAL_MAX_DATA_BYTES } from '../limits.js';
import type { FrameRequests } from './frame-requests.js';

/** MAX_DATA is sent when it adds at least this share to what the peer may still send. */
const RENEW_SHARE = 0.25;

/** Flow control of a whole connection, in both directions: how much the peer may send us over all streams, and how much
 *  it permits us to send (spec streams 5.1, 5.3).
 *
 *  There is one per connection. It counts bytes as others report them, and requests MAX_DATA when that is due. It never
 *  looks at single streams; limits on those are up to the halves of each stream. Sizes are in bytes. */
export class ConnectionCredit {
  /** What MAX_DATA states: how much the peer may send in all. */
  granted: number;
  /** How many bytes we have sent. Retransmissions do not count. */
  sentBytes = 0;
  #received = 0;

  readonly #windowBytes: number;
  readonly #requests: Pick<FrameRequests, 'requestMaxData'>;
  /** How many bytes were read, or will never be. */
  #consumed = 0;
  /** The last MAX_DATA of the peer. */
  #maximumOfPeer = INITIAL_MAX_DATA_BYTES;
  /** The limit for which DATA_BLOCKED was sent last. */
  blockedSentFor = -1;

  /** @param windowBytes how much the peer may send beyond what was read: its share of our memory */
  constructor(windowBytes: number, requests: Pick<FrameRequests, 'requestMaxData'>) {
    this.#windowBytes = windowBytes;
    this.#requests = requests;
    this.granted = windowBytes;
  }

  // ---- sending ----------------------------------------------------------------------------------------------

  /** How many more new bytes the peer permits us to send. */
  get available(): number {
    return this.#maximumOfPeer - this.sentBytes;
  }

  /** MAX_DATA arrived.
   *  @returns false if the limit is not higher than before */
  raise(maximum: number): boolean {
    if (maximum <= this.#maximumOfPeer) return false;
    this.#maximumOfPeer = maximum;
    return true;
  }

  /** If DATA_BLOCKED is due, which happens once per limit: that limit. This is to be asked only if bytes wait. */
  get blockedAt(): number | undefined {
    if (this.available > 0 || this.blockedSentFor === this.#maximumOfPeer) return undefined;
    return this.#maximumOfPeer;
  }

  // ---- receiving --------------------------------------------------------------------------------------------

  /** How many bytes the peer has sent: the sum of the highest offsets of all streams. */
  get receivedBytes(): number {
    return this.#received;
  }
  /** How many of them were not read yet. */
  get unreadBytes(): number {
    return this.#received - this.#consumed;
  }
  /** How much of the window is free. */
  get freeBytes(): number {
    return this.#windowBytes - this.unreadBytes;
  }

  /** Whether the peer may send this many more bytes. */
  permits(bytes: number): boolean {
    return this.#received + bytes <= this.granted;
  }

  /** The highest offsets of the streams have risen by this many bytes. */
  receive(bytes: number): void {
    this.#received += bytes;
    this.#renew();
  }

  /** This many bytes were read, or will never be read, so that their room is free. */
  consume(bytes: number): void {
    this.#consumed += bytes;
    this.#renew();
  }

  /** Raises the limit and requests MAX_DATA, if that adds enough. What is enough depends on the free part of the
   *  window, not on the whole: if most of it were unread, the peer would use up the rest before it got new credit. */
  #renew(): void {
    const limit = this.#consumed + this.#windowBytes;
    const gain = limit - this.granted;
    if (gain <= 0 || gain < RENEW_SHARE * this.freeBytes) return;
    this.granted = limit;
    this.#requests.requestMaxData();
  }
}
