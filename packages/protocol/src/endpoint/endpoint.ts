import { type Address, sameAddress } from '../address.js';
import type { CryptoSuite } from '../crypto/suite.js';
import { type Deadline, earlier } from '../deadline.js';
import { DROP_REASONS, type DropReason } from '../failure.js';
import { DEFAULT_TRANSPORT, type TransportConfig } from '../transport/config.js';
import { Path } from '../transport/path/path.js';
import { FrameReader } from '../transport/wire/frame-reader.js';
import type { OutgoingMessage, Received } from '../wireguard/received.js';
import type { Shard } from '../wireguard/shard.js';
import { WireGuard } from '../wireguard/wireguard.js';
import { Farewells } from './farewells.js';
import { Peer, type PeerContext, type PeerEvent } from './peer.js';
import { ReadyPeers } from './ready-peers.js';
import type { TransmitBatch } from './transmit-batch.js';

export interface EndpointOptions {
  /** The role of our own side. A client opens streams with even ids, a relay with odd ones. */
  readonly role: 'client' | 'relay';
  /** Our static private key, 32 bytes; copied. */
  readonly privateKey: Uint8Array;
  readonly suite: CryptoSuite;
  /** Returns cryptographically secure bytes. */
  readonly random: (length: number) => Uint8Array;
  /** The wall clock, in Unix milliseconds. It serves only to make and judge the timestamps of initiations. */
  readonly unixTimeMs: () => number;
  /** Settings that differ from DEFAULT_TRANSPORT. */
  readonly transport?: Partial<TransportConfig>;
  /** Receives the lines of Wireshark's key log, which contain secrets (spec session 9). Off if absent. */
  readonly keyLog?: (line: string) => void;
  /** The peers that this process serves (spec session 3.3). By default all. */
  readonly shard?: Shard;
}

export interface PeerOptions {
  /** The peer's static public key, 32 bytes; copied. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; copied. */
  readonly presharedKey?: Uint8Array;
  /** Where to send first. Without an address, the peer has to send first. */
  readonly address?: Address;
  /** The interval of persistent keepalives, 1,000 to 65,535,000 ms. They are off if it is 0 or absent. */
  readonly persistentKeepaliveMs?: number;
}

/** What an endpoint reports. */
export type EndpointEvent =
  | PeerEvent
  /** Somebody tried to connect with a key that belongs to no peer, and proved to hold its private key
   *  (spec handshake 7). */
  | { readonly type: 'unknown-key'; readonly publicKey: Uint8Array; readonly from: Address }
  /** The peer's handshakes are refused, because its clock is behind the time that it stated in an earlier one. Both
   *  times are Unix milliseconds. */
  | {
      readonly type: 'clock-behind';
      readonly peer: Peer;
      readonly clockMs: number;
      readonly earlierClockMs: number;
    };

/** What the caller has to do after a datagram: nothing, or run its loop, or send these bytes to the address that the
 *  datagram came from, at once or not at all, or pass the datagram on to another shard. */
export type Reaction = 'none' | 'poll' | Uint8Array | { readonly passOnTo: number };

/** The whole protocol behind one UDP socket: our static key, all peers, their sessions and their connections. It
 *  contains no socket, clock or timer; the caller supplies these.
 *
 *  The caller runs a loop. It passes in what has happened, with `handleDatagram`, `handleTimeout` and `handleTooLarge`.
 *  Then it calls `pollEvent` until that returns undefined, and `pollTransmit` until that returns false. Then it waits
 *  for the next datagram, but no longer than until `pollTimeout().at`. After a command on a peer or a stream, the loop
 *  has to run too.
 *
 *  A datagram that has no effect does not ask for the loop, so that strangers cause no work. The result of
 *  `handleDatagram` says whether it does.
 *
 *  The endpoint joins the two halves: WireGuard finds the peer of each datagram and opens it, and Peer passes the
 *  payload to its connection. Apart from `removePeer`, `close`, `destroy` and `handleTooLarge`, no call goes through
 *  all peers. */
export class Endpoint {
  /** How many datagrams and packets had no effect, by reason. */
  readonly drops: Readonly<Record<DropReason, number>>;

  readonly #drops: Record<DropReason, number>;
  readonly #wireGuard: WireGuard<Peer>;
  readonly #context: PeerContext;
  readonly #peers: Peer[] = [];
  readonly #ready = new ReadyPeers<PeerEvent>();
  readonly #farewells = new Farewells();

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

  /** Our own static public key. */
  get publicKey(): Uint8Array {
    return this.#wireGuard.publicKey;
  }
  get peers(): readonly Peer[] {
    return this.#peers;
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  /** Adds a peer. Its key must not belong to a peer already, and there may be at most MAX_PEERS. */
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

  /** Removes a peer and wipes its keys. Its streams get `stream-reset` events. If it is connected, the next
   *  poll sends it the reason, and later ones repeat that.
   *  @param reason for people: printable ASCII, at most 128 characters */
  removePeer(now: number, peer: Peer, reason: string): void {
    const index = this.#peers.indexOf(peer);
    if (index < 0) return;
    this.#peers.splice(index, 1);
    const farewell = peer.remove(now, reason);
    if (farewell !== undefined) this.#farewells.addRemoved(now, farewell);
    this.#ready.retire(peer);
    this.#wireGuard.removePeer(peer.session);
  }

  /** Closes all connections. The next polls send CLOSE. */
  close(): void {
    for (const peer of this.#peers) peer.close();
  }

  /** Wipes all keys. No method may be called after it. */
  destroy(): void {
    this.#wireGuard.close();
  }

  // ---- inputs ------------------------------------------------------------------------------------------------

  /** Handles one datagram.
   *  @param datagram a whole UDP payload. It is opened in place, and nothing refers to it afterwards. */
  handleDatagram(now: number, datagram: Uint8Array, from: Address): Reaction {
    return this.#handleReceived(now, this.#wireGuard.handleDatagram(now, datagram, from));
  }

  /** Handles a datagram that another shard has passed on (spec session 3.3). */
  handlePassedOn(now: number, datagram: Uint8Array, from: Address): Reaction {
    const received = this.#wireGuard.handlePassedOn(now, datagram, from);
    // It would go round in circles: the shards do not agree about who serves what.
    return received.kind === 'elsewhere' ? 'none' : this.#handleReceived(now, received);
  }

  #handleReceived(now: number, received: Received<Peer>): Reaction {
    if (received.kind === 'elsewhere') return { passOnTo: received.shard };
    if (received.kind === 'dropped') {
      this.#drops[received.reason]++;
      return received.answer ?? (this.#wireGuard.hasNews ? 'poll' : 'none');
    }
    // The cookie waits until the next handshake message.
    if (received.kind === 'cookie-reply') return 'none';
    const peer = received.session.owner;
    this.#ready.touch(peer);
    peer.handleContact(now);
    if (received.kind !== 'payload') return 'poll';
    const reason = peer.handlePayload(now, received.keypairId, received.payload);
    if (reason !== undefined) {
      this.#drops[reason]++;
      const farewell = peer.takeFarewell();
      if (farewell !== undefined) this.#farewells.addSuperseded(farewell);
    }
    return 'poll';
  }

  /** The system refused to send a datagram of this many bytes to this address, because of its size (spec mtu 4.4). */
  handleTooLarge(now: number, to: Address, bytes: number): void {
    for (const peer of this.#peers) {
      if (!sameAddress(to, peer.address)) continue;
      peer.handleTooLarge(now, bytes);
      this.#ready.touch(peer);
    }
  }

  /** Handles the timers that are due. */
  handleTimeout(now: number): void {
    // A session's timer may concern its peer too: keys have expired, or a handshake got no response.
    const woken = this.#wireGuard.handleTimeout(now);
    this.#ready.handleTimeout(
      now,
      woken.map((session) => session.owner),
    );
  }

  // ---- outputs -----------------------------------------------------------------------------------------------

  /** Takes the next event. */
  pollEvent(): EndpointEvent | undefined {
    const news = this.#wireGuard.pollNews();
    if (news !== undefined) {
      if (news.type === 'unknown-key') return news;
      const { type, session, clockMs, earlierClockMs } = news;
      return { type, peer: session.owner, clockMs, earlierClockMs };
    }
    return this.#ready.pollEvent();
  }

  /** Fills `batch` with datagrams to one address.
   *  @returns false if there is nothing to send now */
  pollTransmit(now: number, batch: TransmitBatch): boolean {
    // Handshakes go before bulk data, because a session that cannot renew its keys ends. Keepalives go last, because
    // data makes them unnecessary. Both data and keepalives may find that they need a handshake first.
    return (
      this.#pollFarewell(now, batch) ||
      setMessage(batch, this.#wireGuard.pollHandshake(now, batch.buffer)) ||
      this.#ready.pollTransmit(now, batch) ||
      setMessage(batch, this.#wireGuard.pollKeepalive(now, batch.buffer)) ||
      setMessage(batch, this.#wireGuard.pollHandshake(now, batch.buffer))
    );
  }

  /** When to call `handleTimeout` next, and for which timer. */
  pollTimeout(): Deadline | undefined {
    const farewell = this.#farewells.pollTimeout();
    return earlier(farewell, earlier(this.#wireGuard.pollTimeout(), this.#ready.pollTimeout()));
  }

  #pollFarewell(now: number, batch: TransmitBatch): boolean {
    const farewell = this.#farewells.poll(now);
    if (farewell === undefined) return false;
    batch.buffer.set(farewell.datagram);
    return setMessage(batch, { to: farewell.to, length: farewell.datagram.length });
  }
}

/** Makes a message at the beginning of the buffer the whole batch.
 *  @returns false if there is no message */
function setMessage(batch: TransmitBatch, message: OutgoingMessage | undefined): boolean {
  if (message === undefined) return false;
  batch.lengthBytes = message.length;
  batch.segmentBytes = message.length;
  batch.mayFragment = true;
  batch.to = message.to;
  return true;
}
