/** Fills batches with one peer's datagrams. */

import { HEADER_BYTES, PADDING_BYTES, TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';
import type { Association } from '../transport/association.js';
import type { Connection } from '../transport/connection.js';
import type { Path } from '../transport/path/path.js';
import type { Session } from '../wireguard/session.js';
import type { TransmitBatch } from './transmit-batch.js';

/** Less is not worth a packet: PATH_CHALLENGE has to fit, and HELLO where it has to stand in front. A keepalive of the
 *  peer's permits 96 bytes. */
const MIN_DATAGRAM_BYTES = 64;
const MIN_HELLO_DATAGRAM_BYTES = 192;

/** The two halves meet here: the connection writes packets, each behind the room for a header, and the session seals
 *  them where they lie. All datagrams of a batch have the same size but for the last, so that the system can cut them
 *  apart; how large they are is up to the path, which may not be known to carry more than the base size, and may permit
 *  only a few bytes (spec path 2). */
export class BatchSender {
  readonly #session: Session<unknown>;
  readonly #path: Path;
  #minDatagramBytes = MIN_HELLO_DATAGRAM_BYTES;

  constructor(session: Session<unknown>, path: Path) {
    this.#session = session;
    this.#path = path;
  }

  /** The path permits no datagram: whatever is due waits for the peer's next one, or for the end of the trial (spec
   *  path 2). */
  get isHeldBack(): boolean {
    return this.#path.allowanceBytes < this.#minDatagramBytes;
  }

  /** Whether the path permits what the connection would send under this keypair. To be asked before `fill`. */
  isAdmitted(connection: Connection, keypairId: number): boolean {
    const isHelloConfirmed = connection.isHelloConfirmed(keypairId);
    this.#minDatagramBytes = isHelloConfirmed ? MIN_DATAGRAM_BYTES : MIN_HELLO_DATAGRAM_BYTES;
    return !this.isHeldBack;
  }

  /** Fills `batch` with sealed packets under this keypair, which is sendable, to the path's address. CLOSE ends the
   *  association's connection. @returns false when there are none now */
  fill(now: number, keypairId: number, association: Association, batch: TransmitBatch): boolean {
    const { connection } = association;
    batch.to = this.#path.address;
    if (connection.isHelloConfirmed(keypairId) && this.#fillMtuProbe(now, association, batch)) return true;
    const allowed = this.#path.allowanceBytes;
    // spec mtu 5: an address that is not proven may lie behind a smaller path
    const isOnTrial = this.#path.candidate !== undefined;
    const fullBytes = isOnTrial ? connection.baseDatagramBytes : connection.datagramBytes;
    const datagramBytes = Math.min(fullBytes, roundedDown(allowed));
    batch.mayFragment = fullBytes === connection.baseDatagramBytes;
    batch.segmentBytes = datagramBytes;
    batch.lengthBytes = this.#fillPackets(
      now,
      keypairId,
      association,
      batch,
      Math.min(batch.buffer.length, allowed),
    );
    if (batch.lengthBytes < batch.segmentBytes) batch.segmentBytes = batch.lengthBytes;
    return batch.lengthBytes > 0;
  }

  /** @returns the bytes of all of them */
  #fillPackets(
    now: number,
    keypairId: number,
    association: Association,
    { buffer, segmentBytes }: TransmitBatch,
    limit: number,
  ): number {
    const room = segmentBytes - TRANSPORT_OVERHEAD_BYTES;
    let at = 0;
    while (at + segmentBytes <= limit) {
      const length = association.pollPacket(now, keypairId, buffer, at + HEADER_BYTES, room);
      if (length === 0) break;
      at += this.#session.seal(now, buffer, at, length, room);
      if (association.isClosing) {
        association.endClosing();
        break;
      }
      // A shorter datagram can only be the last of a batch
      if (length < room || this.#session.sendableKeypairId(now) !== keypairId) break;
    }
    return at;
  }

  /** A packet that is larger than the others goes alone (spec mtu 2). */
  #fillMtuProbe(now: number, { connection, isClosing }: Association, batch: TransmitBatch): boolean {
    const probeBytes = connection.mtuProbeBytes(now);
    if (probeBytes === undefined || isClosing || this.#path.candidate !== undefined) return false;
    const room = probeBytes - TRANSPORT_OVERHEAD_BYTES;
    const length = connection.pollMtuProbe(now, batch.buffer, HEADER_BYTES, room);
    if (length === 0) return false;
    batch.mayFragment = false;
    batch.lengthBytes = this.#session.seal(now, batch.buffer, 0, length, room);
    batch.segmentBytes = batch.lengthBytes;
    return true;
  }
}

function roundedDown(bytes: number): number {
  return bytes === Number.POSITIVE_INFINITY ? bytes : bytes - (bytes % PADDING_BYTES);
}
