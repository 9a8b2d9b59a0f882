import { HEADER_BYTES, PADDING_BYTES, TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';
import type { Association } from '../transport/association.js';
import type { Connection } from '../transport/connection.js';
import type { Path } from '../transport/path/path.js';
import type { Session } from '../wireguard/session.js';
import type { TransmitBatch } from './transmit-batch.js';

/** A smaller datagram is not worth sending, since PATH_CHALLENGE has to fit, and HELLO too where every packet has to
 *  start with one. A keepalive of the peer permits 96 bytes. */
const MIN_DATAGRAM_BYTES = 64;
const MIN_HELLO_DATAGRAM_BYTES = 192;

/** Fills batches with the datagrams of one peer. This is where the two halves of the protocol meet: the connection
 *  writes each packet behind room for a header, and the session seals it in place.
 *
 *  All datagrams of a batch have the same size, except perhaps the last, so that the system can cut them apart. Their
 *  size is limited by the path. Until an address is proven, it must not exceed the base size, and only a few bytes may
 *  be sent (spec mtu 5, path 2).
 *
 *  Peer owns the sender, and calls it with a keypair that can be used. The sender never decides what goes into a
 *  packet. */
export class BatchSender {
  readonly #session: Session<unknown>;
  readonly #path: Path;
  #minDatagramBytes = MIN_HELLO_DATAGRAM_BYTES;

  constructor(session: Session<unknown>, path: Path) {
    this.#session = session;
    this.#path = path;
  }

  /** The path does not permit even a small datagram now. Whatever is due waits for the peer's next datagram, or for the
   *  end of the trial (spec path 2). */
  get isHeldBack(): boolean {
    return this.#path.allowanceBytes < this.#minDatagramBytes;
  }

  /** Whether the path permits what the connection would send under this keypair. This must be asked before `fill`. If
   *  it does not, the connection learns that. */
  isAdmitted(connection: Connection, keypairId: number): boolean {
    const isHelloConfirmed = connection.isHelloConfirmed(keypairId);
    this.#minDatagramBytes = isHelloConfirmed ? MIN_DATAGRAM_BYTES : MIN_HELLO_DATAGRAM_BYTES;
    if (!this.isHeldBack) return true;
    connection.handleHeldBack();
    return false;
  }

  /** Fills `batch` with packets of the association's connection, sealed under this keypair, which must be usable. If
   *  the association is closing, the packet with CLOSE is the last, and the connection has ended then.
   *  @returns false if there is nothing to send now */
  fill(now: number, keypairId: number, association: Association, batch: TransmitBatch): boolean {
    const { connection } = association;
    batch.to = this.#path.address;
    if (connection.isHelloConfirmed(keypairId) && this.#fillMtuProbe(now, association, batch)) return true;
    const allowed = this.#path.allowanceBytes;
    // The path to an address that is not proven may have a smaller MTU (spec mtu 5).
    const fullBytes = this.#path.isProven ? connection.datagramBytes : connection.baseDatagramBytes;
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

  /** Writes datagrams of `segmentBytes` each, up to `limit` bytes in all. If messages of flows make the first one shorter,
   *  the others get its size instead: most programs send messages of one size.
   *  @returns how many bytes they take */
  #fillPackets(
    now: number,
    keypairId: number,
    association: Association,
    batch: TransmitBatch,
    limit: number,
  ): number {
    const { buffer } = batch;
    let room = batch.segmentBytes - TRANSPORT_OVERHEAD_BYTES;
    let at = 0;
    while (at + batch.segmentBytes <= limit) {
      const length = association.pollPacket(now, keypairId, buffer, at + HEADER_BYTES, room);
      if (length === 0) break;
      const isFirst = at === 0;
      at += this.#session.seal(now, buffer, at, length, room);
      if (association.isClosing) {
        association.endClosing();
        break;
      }
      if (this.#session.sendableKeypairId(now) !== keypairId) break;
      if (length === room) continue;
      // Only the last datagram of a batch may be shorter.
      if (!isFirst || !association.hasMessages || !association.connection.isHelloConfirmed(keypairId)) break;
      room = length;
      batch.segmentBytes = at;
    }
    return at;
  }

  /** Writes a probe of the MTU search, if one is due and the address is proven. It is larger than other datagrams, so it
   *  has a batch of its own (spec mtu 2.1).
   *  @returns whether there was one */
  #fillMtuProbe(now: number, { connection, isClosing }: Association, batch: TransmitBatch): boolean {
    const probeBytes = connection.mtuProbeBytes(now);
    if (probeBytes === undefined || isClosing || !this.#path.isProven) return false;
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
