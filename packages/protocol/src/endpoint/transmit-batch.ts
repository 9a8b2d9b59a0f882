/** What one poll sends: up to 64 KiB of datagrams to one address, all `segmentBytes` long but for the last. */
import type { Address } from '../address.js';
import { BATCH_BYTES } from '../transport/limits.js';

export class TransmitBatch {
  readonly buffer: Uint8Array;
  lengthBytes = 0;
  segmentBytes = 0;
  /** The system and routers may cut these datagrams into fragments (spec mtu 1.4). */
  mayFragment = true;
  to: Address | undefined = undefined;

  constructor() {
    this.buffer = new Uint8Array(BATCH_BYTES);
  }
}
