/** Where one peer's messages go, as its session needs to know it. */
import type { Address } from '../address.js';

/** Asked before a handshake message or a keepalive is sent (`seal` leaves asking to its caller), and told of everything that was sent
 *  and of everything that authenticated. Who implements it decides what moves a peer: `RoamingPath` by WireGuard's rule, the endpoint
 *  by the stricter one of spec path. */
export interface SessionPath {
  /** Undefined: the peer has to speak first. */
  readonly address: Address | undefined;
  /** Bytes of UDP payload that may be sent to `address` now. */
  readonly allowanceBytes: number;
  /** @param bytes of UDP payload */
  onSent(bytes: number): void;
  onReceived(now: number, datagram: AuthenticDatagram): void;
}

export interface AuthenticDatagram {
  readonly from: Address;
  /** UDP payload. */
  readonly bytes: number;
  /** It is a transport message. */
  readonly usesKeys: boolean;
  /** Nothing newer has come from the peer so far. */
  readonly isNewest: boolean;
}

/** WireGuard's own rule (spec session 7): the peer is where its newest message came from, and may be sent anything there. */
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
