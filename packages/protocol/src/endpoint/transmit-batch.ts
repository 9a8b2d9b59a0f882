import type { Address } from '../address.js';
import { BATCH_BYTES } from '../transport/limits.js';

/** The output of one poll: up to 64 KiB of datagrams to one address, all of the same size except perhaps the last.
 *
 *  The driver owns the batch and passes it to each poll, which fills it again from the start. Datagrams of one size can
 *  be handed to the system in one call, which cuts them apart. */
export class TransmitBatch {
  /** The datagrams, one after the other. */
  readonly buffer: Uint8Array;
  /** How many bytes of the buffer are used. */
  lengthBytes = 0;
  /** The size of each datagram; the last one may be shorter. */
  segmentBytes = 0;
  /** Whether the system and routers may cut these datagrams into fragments (spec mtu 1.4). */
  mayFragment = true;
  /** Where the datagrams go. */
  to: Address | undefined = undefined;

  constructor() {
    this.buffer = new Uint8Array(BATCH_BYTES);
  }
}
