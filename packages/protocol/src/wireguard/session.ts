/** One peer of a WireGuard: keypairs, handshakes, timers (spec session). */
import type { Address } from '../address.js';
import { assert } from '../assert.js';
import { PADDING_BYTES } from '../datagram-layout.js';
import type { Deadline } from '../deadline.js';
import type { DropReason } from '../failure.js';
import { REJECT_AFTER_TIME_MS, REKEY_AFTER_TIME_MS, REKEY_ON_RECEIVE_AFTER_MS } from './constants.js';
import type { SessionContext } from './context.js';
import { Handshakes, type Initiation } from './handshakes.js';
import { Keepalive } from './keepalive.js';
import type { Keypair } from './keypair.js';
import { KeypairSlots } from './keypair-slots.js';
import { MIN_TRANSPORT_BYTES, TransportOffset } from './messages.js';
import { PeerSecrets } from './peer-secrets.js';
import type { AuthenticDatagram, SessionPath } from './session-path.js';
import { type TimerName, Timers } from './timers.js';

export interface SessionOptions {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. */
  readonly presharedKey?: Uint8Array;
  readonly path: SessionPath;
  /** 0 or absent: off; else 1 s to 65535 s. */
  readonly persistentKeepaliveMs?: number;
}

export interface SessionStats {
  /** Handshakes that both sides completed. */
  handshakes: number;
  /** From our newest initiation to its response; undefined when only the peer initiated. */
  handshakeRttMs: number | undefined;
  /** UDP payloads of every message type; received ones authenticated. */
  datagramsSent: number;
  datagramsReceived: number;
  bytesSent: number;
  bytesReceived: number;
}

/** A session is one peer seen through WireGuard: at most three keypairs, of which one is current, and what renews them.
 *
 *  It decides what a message means for the keys. What goes out when is up to its parts: Handshakes to initiations, responses and their
 *  copies, Keepalive to empty messages; where everything goes, to the path. All timers are in one place, so that the next one is found
 *  at a glance.
 *  @typeParam Owner what the layer above keeps for the peer and finds again with each received message */
export class Session<Owner = undefined> {
  readonly owner: Owner;
  readonly path: SessionPath;
  readonly #context: SessionContext<Session<Owner>>;
  readonly #secrets: PeerSecrets;
  readonly #keypairs: KeypairSlots;
  readonly #timers: Timers;
  readonly #handshakes: Handshakes<Session<Owner>>;
  readonly #keepalive: Keepalive;
  readonly #stats: SessionStats = {
    handshakes: 0,
    handshakeRttMs: undefined,
    datagramsSent: 0,
    datagramsReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
  };
  /** The newest keypair under which the peer has sent. */
  #newestReceivedId = -1;
  /** The handshake of spec session 5.3 was asked for under this keypair. */
  #renewedOnReceive = false;
  #isDestroyed = false;

  constructor(
    context: SessionContext<Session<Owner>>,
    options: SessionOptions,
    makeOwner: (session: Session<Owner>) => Owner,
  ) {
    this.#context = context;
    this.path = options.path;
    this.#timers = new Timers((at) => context.wakeAt(this, at));
    this.#secrets = new PeerSecrets(context, options.publicKey, options.presharedKey);
    this.#handshakes = new Handshakes(this, context, this.#secrets, this.#timers);
    this.#keepalive = new Keepalive(this.#timers, options.persistentKeepaliveMs ?? 0);
    this.#keypairs = new KeypairSlots((keypair) => context.indices.delete(keypair.localIndex));
    this.owner = makeOwner(this);
  }

  // ---- for the layer above ----------------------------------------------------------------------------------

  get publicKey(): Uint8Array {
    return this.#secrets.publicKey;
  }
  get stats(): Readonly<SessionStats> {
    return this.#stats;
  }

  /** Compares without giving the key away. @param presharedKey undefined: whether there is none */
  hasPresharedKey(presharedKey: Uint8Array | undefined): boolean {
    return this.#secrets.hasPresharedKey(presharedKey);
  }

  /** The keypair that `seal` would use, or undefined when a handshake has to come first. Ids only rise. */
  sendableKeypairId(now: number): number | undefined {
    const current = this.#keypairs.current;
    return current?.canSend(now) === true ? current.id : undefined;
  }

  /** Makes a transport message in place.
   *  @param buffer the payload lies at `offset + 16`; 16 bytes for the tag, and the padding, follow it
   *  @param length of the payload; 0 makes a keepalive
   *  @param limit payload bytes beyond which padding does not go (spec session 6.5)
   *  @returns the length of the datagram, which begins at `offset` */
  seal(now: number, buffer: Uint8Array, offset: number, length: number, limit = Infinity): number {
    const keypair = this.#keypairs.current;
    assert(keypair?.canSend(now) === true, 'there is no keypair to seal with');
    const padded = Math.max(length, Math.min(limit, Math.ceil(length / PADDING_BYTES) * PADDING_BYTES));
    const start = offset + TransportOffset.payload;
    if (padded > length) buffer.fill(0, start + length, start + padded);
    const bytes = keypair.seal(buffer, offset, padded);
    this.#noteSent(now, bytes, length === 0);
    if (length > 0) this.#keepalive.onDataSent(now, this.#handshakes.jitterMs);
    // spec session 5.2
    if (keypair.isWornOut || (keypair.isInitiator && now - keypair.createdAt > REKEY_AFTER_TIME_MS)) {
      this.requestHandshake(now);
    }
    return bytes;
  }

  /** Somebody wants to send. As soon as the interval allows it an initiation goes out, and is repeated
   *  (spec session 5.5, 5.6). Without an address nothing happens. */
  requestHandshake(now: number): void {
    if (!this.#isDestroyed && this.path.address !== undefined) this.#handshakes.want(now);
  }

  /** The peer's address is proven: an initiation that its limit kept back goes out now (spec path 2). */
  releaseInitiation(): void {
    this.#handshakes.release();
  }

  /** An initiation that waits for its response goes out once more with the next poll: the address is another now (spec outage 7). */
  repeatInitiation(): void {
    this.#handshakes.copyInitiation();
  }

  /** Forgets the current keypair, which another process with the peer's key has made, and goes back to the one before it. */
  dropCurrentKeypair(): void {
    this.#keypairs.dropCurrent();
    this.#newestReceivedId = this.#keypairs.current?.id ?? -1;
  }

  /** Ends the sessions, as far as we are concerned. */
  dropKeypairs(): void {
    this.#keypairs.destroyAll();
    // A handshake that began in this session would end in a keypair older than what the peer draws next.
    this.#handshakes.stop();
    this.#keepalive.stop();
  }

  // ---- for WireGuard: inputs and outputs --------------------------------------------------------------------

  /** X25519 of both static keys; undefined when no handshake is possible. */
  get staticStatic(): Uint8Array | undefined {
    return this.#secrets.staticStatic;
  }

  /** Takes the message's state. */
  handleInitiation(now: number, from: Address, message: Initiation): DropReason | undefined {
    const keypair = this.#handshakes.respond(now, message);
    if (typeof keypair === 'string') return keypair;
    this.#keypairs.addResponded(keypair);
    this.#setExpiryTimer(now);
    this.#noteReceived(now, { from, bytes: message.bytes, usesKeys: false, isNewest: true });
    return undefined;
  }

  /** A message 2 with a right mac1 and an index of this peer. */
  handleResponse(now: number, from: Address, message: Uint8Array): DropReason | undefined {
    const outcome = this.#handshakes.handleResponse(now, message);
    if (typeof outcome === 'string') return outcome;
    this.#keypairs.addInitiated(outcome.keypair);
    this.#setExpiryTimer(now);
    this.#stats.handshakeRttMs = outcome.roundTripMs;
    this.#noteReceived(now, { from, bytes: message.length, usesKeys: false, isNewest: true });
    this.#noteHandshakeComplete();
    // spec session 2.4: unless data goes out first
    this.#keepalive.want();
    this.#context.wantKeepalive(this);
    return undefined;
  }

  /** A message 3 with an index of this peer. */
  handleCookieReply(now: number, message: Uint8Array): DropReason | undefined {
    return this.#secrets.cookieJar.handleReply(now, message);
  }

  /** A message 4 for one of our keypairs; opened in place.
   *  @returns why it is dropped, or undefined */
  handleTransport(
    now: number,
    from: Address,
    keypair: Keypair,
    datagram: Uint8Array,
  ): DropReason | undefined {
    const refused = keypair.open(now, datagram);
    if (refused !== undefined) return refused;
    if (this.#keypairs.confirm(keypair)) this.#noteHandshakeComplete();
    // spec path 1
    const isNewest = keypair.id >= this.#newestReceivedId && keypair.hasOpenedNewest;
    if (isNewest) this.#newestReceivedId = keypair.id;
    this.#noteReceived(now, { from, bytes: datagram.length, usesKeys: true, isNewest });
    this.#renewOnReceive(now);
    if (datagram.length > MIN_TRANSPORT_BYTES) this.#keepalive.onDataReceived(now);
    return undefined;
  }

  handleTimeout(now: number): void {
    for (let name = this.#timers.takeExpired(now); name !== undefined; name = this.#timers.takeExpired(now)) {
      this.#handleTimer(now, name);
    }
  }

  pollTimeout(): Deadline | undefined {
    return this.#timers.pollTimeout();
  }

  /** @returns the length of the message 1 or 2 written into `into`, or 0 when there is none */
  pollHandshake(now: number, into: Uint8Array): number {
    if (this.path.address === undefined) return 0;
    const length = this.#handshakes.poll(now, into, this.path.allowanceBytes);
    if (length > 0) this.#noteSent(now, length, false);
    return length;
  }

  /** @returns the length of the keepalive written into `into`, or 0 when there is none */
  pollKeepalive(now: number, into: Uint8Array): number {
    if (this.path.address === undefined || !this.#keepalive.take()) return 0;
    if (this.sendableKeypairId(now) === undefined) {
      this.requestHandshake(now);
      return 0;
    }
    return MIN_TRANSPORT_BYTES <= this.path.allowanceBytes ? this.seal(now, into, 0, 0) : 0;
  }

  /** Wipes all that is secret. Nothing is sent after it. */
  destroy(): void {
    this.#isDestroyed = true;
    this.dropKeypairs();
    this.#secrets.wipe();
    this.#timers.cancelAll();
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #handleTimer(now: number, name: TimerName): void {
    switch (name) {
      case 'handshake-retry':
        if (!this.#handshakes.retry()) this.#keepalive.forgetData();
        break;
      case 'initiation-copy':
        this.#handshakes.copyInitiation();
        break;
      case 'response-copy':
        this.#handshakes.copyResponse();
        break;
      case 'no-answer': // spec session 5.4
        this.requestHandshake(now);
        break;
      case 'passive-keepalive': // spec session 6.2
        this.#keepalive.want();
        this.#context.wantKeepalive(this);
        break;
      case 'persistent-keepalive': // spec session 6.4
        this.#keepalive.repeat(now);
        this.#context.wantKeepalive(this);
        break;
      case 'keypair-expiry': {
        // spec session 8.1
        this.#handshakes.wipeIdle();
        const at = this.#keypairs.destroyExpired(now);
        if (at !== undefined) this.#timers.set(name, at);
        break;
      }
    }
  }

  /** A keypair was made; of several the oldest expires first. */
  #setExpiryTimer(now: number): void {
    if (!this.#timers.isSet('keypair-expiry')) this.#timers.set('keypair-expiry', now + REJECT_AFTER_TIME_MS);
  }

  #noteHandshakeComplete(): void {
    this.#handshakes.complete();
    this.#renewedOnReceive = false;
    this.#stats.handshakes++;
  }

  /** spec session 5.3 */
  #renewOnReceive(now: number): void {
    const current = this.#keypairs.current;
    if (this.#renewedOnReceive || current?.isInitiator !== true) return;
    if (now - current.createdAt <= REKEY_ON_RECEIVE_AFTER_MS) return;
    this.#renewedOnReceive = true;
    this.requestHandshake(now);
  }

  /** Any authenticated message went out. */
  #noteSent(now: number, bytes: number, isKeepalive: boolean): void {
    this.#stats.datagramsSent++;
    this.#stats.bytesSent += bytes;
    this.path.onSent(bytes);
    this.#keepalive.onSent(now, isKeepalive);
  }

  /** Any authenticated message came in (spec session 7). */
  #noteReceived(now: number, datagram: AuthenticDatagram): void {
    this.#stats.datagramsReceived++;
    this.#stats.bytesReceived += datagram.bytes;
    this.path.onReceived(now, datagram);
    this.#keepalive.onReceived(now);
  }
}
