/** STUB, replaced soon: the public face of the protocol. */
import type { Address } from '../address.js';
import type { CryptoSuite } from '../crypto/suite.js';
import type { Deadline } from '../deadline.js';
import type { ConnectionError, DropReason } from '../failure.js';
import type { Stream } from '../streams/stream.js';

export interface EndpointOptions {
  /** Decides who uses even stream ids (client) and who odd ones (relay). */
  readonly role: 'client' | 'relay';
  readonly privateKey: Uint8Array;
  readonly suite: CryptoSuite;
  /** Cryptographically secure bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Wall clock, Unix milliseconds: only for the handshake's timestamp. */
  readonly unixTimeMs: () => number;
  /** Receives one line in Wireshark's WireGuard key log format for each handshake secret. Off unless set. */
  readonly keyLog?: (line: string) => void;
}

export interface PeerOptions {
  readonly publicKey: Uint8Array;
  readonly presharedKey?: Uint8Array;
  /** Where to send first; without it the peer has to speak first. */
  readonly address?: Address;
  /** 0: off. */
  readonly persistentKeepaliveMs?: number;
}

/** Up to 64 KiB of datagrams to one address: all `segmentBytes` long but for the last. */
export class TransmitBatch {
  readonly buffer: Uint8Array = new Uint8Array(65536);
  lengthBytes = 0;
  segmentBytes = 0;
  to: Address | undefined = undefined;
}

export interface PeerStats {
  readonly address: Address | undefined;
  readonly connected: boolean;
  /** Smoothed round trip of the path, or undefined before the first sample. */
  readonly smoothedRttMs: number | undefined;
  /** From the first initiation to its response, the newest handshake. */
  readonly handshakeRttMs: number | undefined;
  readonly handshakes: number;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly streamBytesSent: number;
  readonly streamBytesReceived: number;
  readonly packetsLost: number;
  readonly congestionWindowBytes: number;
  readonly openStreams: number;
}

export class Peer {
  readonly publicKey: Uint8Array = new Uint8Array(32);
  /** Starts the handshake and the HELLO now and not with the first stream. */
  connect(_now: number): void {}
  /** @returns undefined when the other side's limit on streams is reached */
  openStream(): Stream | undefined {
    throw new Error('stub');
  }
  setAddress(_address: Address): void {}
  stats(): PeerStats {
    throw new Error('stub');
  }
}

export type EndpointEvent =
  /** HELLO of a new epoch arrived: first contact, or contact with a restarted peer. */
  | { readonly type: 'connected'; readonly peer: Peer }
  /** The connection is over (closed, broken, or the peer restarted); its streams get `stream-reset` events first. */
  | { readonly type: 'disconnected'; readonly peer: Peer; readonly error: ConnectionError }
  /** The other side opened it. */
  | { readonly type: 'stream-opened'; readonly peer: Peer; readonly stream: Stream }
  /** Bytes or the FIN can be read: call `read` until undefined. */
  | { readonly type: 'stream-readable'; readonly stream: Stream }
  | { readonly type: 'stream-writable'; readonly stream: Stream }
  /** The other side's sending direction ended early, or the connection is over: nothing more to read. */
  | { readonly type: 'stream-reset'; readonly stream: Stream; readonly code: number }
  /** The other side will not read on: our sending direction is over. */
  | { readonly type: 'stream-stopped'; readonly stream: Stream; readonly code: number }
  /** Both directions are over and everything we sent was acknowledged: the last event of a stream. */
  | { readonly type: 'stream-closed'; readonly stream: Stream };

/** One UDP socket's worth of protocol: no socket, no clock, no timer inside.
 *
 *  The caller's loop: `handle…` what came in, then `pollEvent` until undefined, then `pollTransmit` until false,
 *  then wait until `pollTimeout().at` or the next datagram. Commands on peers and streams ask for the same loop. */
export class Endpoint {
  constructor(_options: EndpointOptions) {}
  addPeer(_options: PeerOptions): Peer {
    throw new Error('stub');
  }
  /** Forgets the peer, its keys and its streams (which get `stream-reset`). */
  removePeer(_now: number, _peer: Peer): void {}
  /** One UDP payload; opened in place, and views into it may be kept for as long as a stream needs them. */
  handleDatagram(_now: number, _datagram: Uint8Array, _from: Address): void {}
  handleTimeout(_now: number): void {}
  /** Fills `batch`. @returns false when there is nothing to send now */
  pollTransmit(_now: number, _batch: TransmitBatch): boolean {
    return false;
  }
  pollEvent(): EndpointEvent | undefined {
    return undefined;
  }
  pollTimeout(): Deadline | undefined {
    return undefined;
  }
  /** Tells every connected peer with CLOSE; poll once more to send it. */
  close(_now: number): void {}
  readonly drops: Readonly<Record<DropReason, number>> = {} as Record<DropReason, number>;
}
