import type { Address } from '../address.js';

/** Where one peer's messages go, and how much may be sent there, as its session needs to know it.
 *
 *  The session asks the path before it sends a handshake message or a keepalive; `seal` leaves that to its caller. It
 *  reports to the path everything that it sends and everything that authenticates. The implementation decides what
 *  moves the peer to another address: `RoamingPath` follows WireGuard's rule, and the endpoint's `Path` the stricter
 *  one of docs/spec/path.md. */
export interface SessionPath {
  /** Undefined if nothing is known of the peer's address: the peer has to send first. */
  readonly address: Address | undefined;
  /** Bytes of UDP payload that may be sent to `address` now. */
  readonly allowanceBytes: number;
  /** A datagram was sent to `address`.
   *  @param bytes the size of its UDP payload */
  onSent(bytes: number): void;
  /** A datagram of the peer's authenticated. */
  onReceived(now: number, datagram: AuthenticDatagram): void;
}

/** What a path learns of a datagram that authenticated. */
export interface AuthenticDatagram {
  readonly from: Address;
  /** The size of its UDP payload. */
  readonly bytes: number;
  /** For a transport message: where we sent our own message of the handshake that made its keypair. The peer must have
   *  received that message, because it has the keys. */
  readonly reachedAt?: Address | undefined;
  /** Whether nothing newer has come from the peer so far (spec path 1). */
  readonly isNewest: boolean;
}

/** A path that follows WireGuard's own rule: the peer is where its newest message came from, and any amount may be sent
 *  there (spec session 7). It holds nothing but this address, which its owner may set too. */
export class RoamingPath implements SessionPath {
  readonly allowanceBytes = Number.POSITIVE_INFINITY;
  address: Address | undefined;

  constructor(address?: Address) {
    this.address = address;
  }

  onSent(): void {}

  onReceived(_now: number, { from, isNewest }: AuthenticDatagram): void {
    if (isNewest) this.address = from;
  }
}
