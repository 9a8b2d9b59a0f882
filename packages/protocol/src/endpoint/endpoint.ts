/** One UDP socket's worth of protocol: every peer's sessions and connections, no socket, no clock, no timer inside.
 *
 *  The caller's loop: `handle…` what came in, then `pollEvent` until undefined, then `pollTransmit` until false, then
 *  wait until `pollTimeout().at` or the next datagram. Commands on peers and streams ask for the same loop. A datagram
 *  that had no effect asks for nothing, so that strangers cause no work; `handleDatagram` says which it was. */
import { type Address, sameAddress } from '../address.js';
import type { CryptoSuite } from '../crypto/suite.js';
import { type Deadline, earlier } from '../deadline.js';
import { DROP_REASONS, type DropReason } from '../failure.js';
import { DEFAULT_TRANSPORT, type TransportConfig } from '../transport/config.js';
import { MAX_FAREWELLS } from '../transport/limits.js';
import { Path } from '../transport/path/path.js';
import { FrameReader } from '../transport/wire/frame-reader.js';
import { type OutgoingMessage, WireGuard } from '../wireguard/wireguard.js';
import type { Farewell } from './farewell.js';
import { Peer, type PeerContext, type PeerEvent } from './peer.js';
import { ReadyPeers } from './ready-peers.js';
import type { TransmitBatch } from './transmit-batch.js';

export interface EndpointOptions {
  /** Decides who uses even stream ids (client) and who odd ones (relay). */
  readonly role: 'client' | 'relay';
  readonly privateKey: Uint8Array;
  readonly suite: CryptoSuite;
  /** Cryptographically secure bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Wall clock, Unix milliseconds: only for the handshake's timestamp. */
  readonly unixTimeMs: () => number;
  readonly transport?: Partial<TransportConfig>;
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

export type EndpointEvent =
  | PeerEvent
  /** A handshake came under a key that belongs to no peer, from somebody who holds its private half (spec handshake
   *  7). */
  | { readonly type: 'unknown-key'; readonly publicKey: Uint8Array; readonly from: Address }
  /** The peer's handshakes are refused: its clock is behind what it was at an earlier one. Unix milliseconds. */
  | {
      readonly type: 'clock-behind';
      readonly peer: Peer;
      readonly clockMs: number;
      readonly earlierClockMs: number;
    };

/** What the caller does after a datagram: nothing, its loop, or send these bytes to where the datagram came from, now
 *  or not at all. */
export type Reaction = 'none' | 'poll' | Uint8Array;

export class Endpoint {
  /** Datagrams that had no effect, by reason. */
  readonly drops: Readonly<Record<DropReason, number>>;

  readonly #drops: Record<DropReason, number>;
  readonly #wireGuard: WireGuard<Peer>;
  readonly #context: PeerContext;
  readonly #peers: Peer[] = [];
  readonly #ready = new ReadyPeers<PeerEvent>();
  /** Sealed, to be sent before anything else. */
  readonly #farewells: Farewell[] = [];

  constructor(options: EndpointOptions) {
    this.#drops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;
    this.drops = this.#drops;
    this.#wireGuard = new WireGuard(options);
    this.#context = {
      role: options.role,
      random: options.random,
      transport: { ...DEFAULT_TRANSPORT, ...options.transport },
      reader: new FrameReader(),
      onTouched: (peer) => this.#ready.touch(peer),
    };
  }

  get publicKey(): Uint8Array {
    return this.#wireGuard.publicKey;
  }
  get peers(): readonly Peer[] {
    return this.#peers;
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  addPeer(options: PeerOptions): Peer {
    const path = new Path(this.#context.random);
    if (options.address !== undefined) path.trust(options.address);
    const { owner: peer } = this.#wireGuard.addPeer(
      { ...options, path },
      (session) => new Peer(session, path, this.#context),
    );
    this.#peers.push(peer);
    return peer;
  }

  /** Forgets the peer, its keys and its streams (which get `stream-reset`). A connected peer is told with the next
   *  poll.
   *  @param reason for people, printable ASCII, at most 128 characters */
  removePeer(now: number, peer: Peer, reason: string): void {
    const index = this.#peers.indexOf(peer);
    if (index < 0) return;
    this.#peers.splice(index, 1);
    const farewell = peer.remove(now, reason);
    if (farewell !== undefined) this.#farewells.push(farewell);
    this.#ready.retire(peer);
    this.#wireGuard.removePeer(peer.session);
  }

  /** Tells every connected peer with CLOSE; poll once more to send it. */
  close(): void {
    for (const peer of this.#peers) peer.close();
  }

  /** Wipes all keys. Nothing may be called after it. */
  destroy(): void {
    this.#wireGuard.close();
  }

  // ---- inputs ------------------------------------------------------------------------------------------------

  /** One UDP payload; opened in place. What streams keep of it is copied. */
  handleDatagram(now: number, datagram: Uint8Array, from: Address): Reaction {
    const received = this.#wireGuard.handleDatagram(now, datagram, from);
    if (received.kind === 'dropped') {
      this.#drops[received.reason]++;
      return received.answer ?? (this.#wireGuard.hasNews ? 'poll' : 'none');
    }
    // It waits in the jar until the next handshake message.
    if (received.kind === 'cookie-reply') return 'none';
    const peer = received.session.owner;
    this.#ready.touch(peer);
    peer.handleContact(now);
    if (received.kind !== 'payload') return 'poll';
    const reason = peer.handlePayload(now, received.keypairId, received.payload);
    if (reason !== undefined) {
      this.#drops[reason]++;
      const farewell = peer.takeFarewell();
      if (farewell !== undefined && this.#farewells.length < MAX_FAREWELLS) this.#farewells.push(farewell);
    }
    return 'poll';
  }

  /** The system refused to send a datagram of so many bytes: it is larger than the path. */
  handleTooLarge(now: number, to: Address, bytes: number): void {
    for (const peer of this.#peers) {
      if (!sameAddress(to, peer.address)) continue;
      peer.handleTooLarge(now, bytes);
      this.#ready.touch(peer);
    }
  }

  handleTimeout(now: number): void {
    // What a session's timer did may be news to its peer: keys that expired, a handshake that nobody answered.
    const woken = this.#wireGuard.handleTimeout(now);
    this.#ready.handleTimeout(
      now,
      woken.map((session) => session.owner),
    );
  }

  // ---- outputs -----------------------------------------------------------------------------------------------

  pollEvent(): EndpointEvent | undefined {
    const news = this.#wireGuard.pollNews();
    if (news !== undefined) {
      if (news.type === 'unknown-key') return news;
      const { type, session, clockMs, earlierClockMs } = news;
      return { type, peer: session.owner, clockMs, earlierClockMs };
    }
    return this.#ready.pollEvent();
  }

  /** Fills `batch`. @returns false when there is nothing to send now */
  pollTransmit(now: number, batch: TransmitBatch): boolean {
    // A session that cannot renew its keys ends, so handshakes go before bulk data. Data spares the session a
    // keepalive, so keepalives go last. Both of these may want a handshake first.
    return (
      this.#pollFarewell(batch) ||
      setMessage(batch, this.#wireGuard.pollHandshake(now, batch.buffer)) ||
      this.#ready.pollTransmit(now, batch) ||
      setMessage(batch, this.#wireGuard.pollKeepalive(now, batch.buffer)) ||
      setMessage(batch, this.#wireGuard.pollHandshake(now, batch.buffer))
    );
  }

  pollTimeout(): Deadline | undefined {
    return earlier(this.#wireGuard.pollTimeout(), this.#ready.pollTimeout());
  }

  #pollFarewell(batch: TransmitBatch): boolean {
    const farewell = this.#farewells.shift();
    if (farewell === undefined) return false;
    batch.buffer.set(farewell.datagram);
    return setMessage(batch, { to: farewell.to, length: farewell.datagram.length });
  }
}

/** Makes the message that lies at the beginning of the buffer the whole batch. @returns false when there is none */
function setMessage(batch: TransmitBatch, message: OutgoingMessage | undefined): boolean {
  if (message === undefined) return false;
  batch.lengthBytes = message.length;
  batch.segmentBytes = message.length;
  batch.mayFragment = true;
  batch.to = message.to;
  return true;
}
