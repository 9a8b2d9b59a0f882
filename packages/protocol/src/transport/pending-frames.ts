/** What has to be sent of the connection's own frames.
 *
 *  Whoever finds that a frame is due asks for it here, a loss asks again, and the packet builder drains: a request stands
 *  until its frame is written, so that one for which a packet had no room goes out with the next. The values are read when
 *  the frame is written and are the newest (spec streams 2). What streams have to say stands with each stream. */
import { copyBytes } from '../copy-bytes.js';
import { MAX_PATH_RESPONSES } from './limits.js';

export class PendingFrames {
  /** HELLO, although this keypair's is confirmed or in flight (spec streams 3.3). */
  hello = false;
  /** Anything that is acknowledged (spec outage 3). */
  ping = false;
  /** PATH_CHALLENGE with these 8 bytes, in a datagram as large as permitted (spec path 3). */
  challenge: Uint8Array | undefined;
  readonly #responses: Uint8Array[] = [];

  /** A packet goes out for these alone, whatever the window says. */
  get isUrgent(): boolean {
    return this.hello || this.ping || this.challenge !== undefined;
  }

  /** PATH_RESPONSE with these 8 bytes, which are copied; of too many the oldest is dropped (spec streams 2.4). */
  respond(data: Uint8Array): void {
    this.#responses.push(copyBytes(data));
    if (this.#responses.length > MAX_PATH_RESPONSES) this.#responses.shift();
  }
  get hasResponses(): boolean {
    return this.#responses.length > 0;
  }
  /** The bytes of the PATH_RESPONSE that goes out next. */
  get nextResponse(): Uint8Array | undefined {
    return this.#responses[0];
  }
  responseSent(): void {
    this.#responses.shift();
  }
}
