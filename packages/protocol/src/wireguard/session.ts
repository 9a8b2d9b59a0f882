import type { Address } from '../address.js';
import { assert } from '../assert.js';
import { PADDING_BYTES } from '../datagram-layout.js';
import type { Deadline } from '../deadline.js';
import type { DropReason } from '../failure.js';
import { REKEY_AFTER_TIME_MS, REKEY_ON_RECEIVE_AFTER_MS } from './constants.js';
import type { SessionContext } from './context.js';
import { Handshakes, type Initiation } from './handshakes.js';
import { Keepalive } from './keepalive.js';
import type { Keypair } from './keypair.js';
import { KeypairSlots } from './keypair-slots.js';
import { MIN_TRANSPORT_BYTES, TransportOffset } from './messages.js';
import { PeerSecrets } from './peer-secrets.js';
import type { AuthenticDatagram, SessionPath } from './session-path.js';
import { newSessionStats, type SessionStats } from './session-stats.js';
import type { SessionView } from './session-view.js';
import { Timer, Timers } from './timers.js';

export interface SessionOptions {
  /** The peer's static public key, 32 bytes; copied. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; copied. */
  readonly presharedKey?: Uint8Array;
  readonly path: SessionPath;
  /** The interval of persistent keepalives, 1,000 to 65,535,000 ms. They are off if it is 0 or absent. */
  readonly persistentKeepaliveMs?: number;
}

/** WireGuard's state for one peer: at most three keypairs, and what renews them (docs/spec/session.md).
 *
 *  The session decides what each message and each expired timer means for the keys. It leaves the rest to its parts:
 *  Handshakes makes and sends initiations, responses and copies, Keepalive decides when empty messages are due,
 *  KeypairSlots owns the keypairs, and the path knows where the peer is. Timers holds the timers of all parts, so that
 *  the next one is easy to find.
 *
 *  It has two callers. The layer above asks for keys with `requestHandshake` and seals its own data with `seal`.
 *  WireGuard passes in messages and the time, and polls for messages to send. A session never queues data, never looks
 *  into a payload, and sends nothing by itself: it asks WireGuard to poll it.
 *  @typeParam Owner what the layer above keeps for the peer, and finds again with each message received */
export class Session<Owner = undefined> {
  readonly owner: Owner;
  readonly path: SessionPath;
  readonly #context: SessionContext<Session<Owner>>;
  readonly #secrets: PeerSecrets;
  readonly #keypairs: KeypairSlots;
  readonly #timers: Timers;
  /** Exists once a handshake was wanted or has come: most peers of a large config never connect. */
  #handshakes: Handshakes<Session<Owner>> | undefined;
  readonly #keepalive: Keepalive;
  readonly #stats = newSessionStats();
  /** Where the initiation went whose round trip the statistics have. */
  #measuredAt: Address | undefined;
  /** The id of the newest keypair under which the peer has sent. */
  #newestReceivedId = -1;
  /** The handshake of spec session 5.3, which happens once per keypair, was requested. */
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

  /** The inside, for tools that show it. */
  get view(): SessionView {
    return { keypairs: this.#keypairs.view, timers: this.#timers.all };
  }

  /** Whether `presharedKey` is the peer's preshared key. This does not reveal the key. If it is undefined: whether
   *  there is no preshared key. */
  hasPresharedKey(presharedKey: Uint8Array | undefined): boolean {
    return this.#secrets.hasPresharedKey(presharedKey);
  }

  /** The id of the keypair that `seal` would use, unless a handshake has to come first. A newer one has a greater id. */
  sendableKeypairId(now: number): number | undefined {
    return this.#keypairs.sendable(now)?.id;
  }

  /** When that keypair expires. */
  sendableUntil(now: number): number | undefined {
    return this.#keypairs.sendable(now)?.expiresAt;
  }

  /** Makes a transport message in place. `sendableKeypairId` must have returned an id. The caller must have checked the
   *  path's allowance, and sends the datagram.
   *  @param buffer holds the payload at `offset + 16`, and has room for padding and a 16-byte tag behind it
   *  @param length of the payload; 0 makes a keepalive
   *  @param limit the length beyond which a payload is not padded (spec session 6.5)
   *  @returns the length of the datagram, which begins at `offset` */
  seal(now: number, buffer: Uint8Array, offset: number, length: number, limit = Infinity): number {
    const keypair = this.#keypairs.current;
    assert(keypair?.canSend(now) === true, 'there is no keypair to seal with');
    const padded = Math.max(length, Math.min(limit, Math.ceil(length / PADDING_BYTES) * PADDING_BYTES));
    const start = offset + TransportOffset.payload;
    if (padded > length) buffer.fill(0, start + length, start + padded);
    const bytes = keypair.seal(buffer, offset, padded);
    this.#noteSent(now, bytes, length === 0);
    if (length > 0) this.#keepalive.onDataSent(now, this.#prepareHandshakes().jitterMs);
    // A keypair that is old or worn out is renewed (spec session 5.2).
    if (keypair.isWornOut || (keypair.isInitiator && now - keypair.createdAt > REKEY_AFTER_TIME_MS)) {
      this.requestHandshake(now);
    }
    return bytes;
  }

  /** Starts a handshake, because there is something to send. The initiation is sent as soon as the interval between
   *  initiations allows, and then again until there is a response or the session gives up (spec session 5.5, 5.6). If
   *  the peer's address is unknown, nothing happens. */
  requestHandshake(now: number): void {
    if (!this.#isDestroyed && this.path.address !== undefined) this.#prepareHandshakes().want(now);
  }

  /** How long our last handshake with this IP address took, in ms: another path has another round trip (spec path 4). */
  handshakeRttTo({ address }: Address): number | undefined {
    return this.#measuredAt?.address === address ? this.#stats.handshakeRttMs : undefined;
  }

  /** The peer's address is proven: an initiation that was held back is sent with the next poll (spec path 2). */
  releaseInitiation(): void {
    this.#handshakes?.release();
  }

  /** The peer's address is another one now: a copy of the initiation that is waiting for its response is sent there
   *  with the next poll (spec outage 7). */
  repeatInitiation(): void {
    this.#handshakes?.copyInitiation();
  }

  /** Destroys the current keypair, because it belongs to another process that has the peer's key. The previous keypair
   *  becomes current again. */
  dropCurrentKeypair(): void {
    this.#keypairs.dropCurrent();
    this.#newestReceivedId = this.#keypairs.current?.id ?? -1;
  }

  /** Destroys all keypairs and stops all handshakes, on our side alone: the peer learns nothing of it. */
  dropKeypairs(): void {
    this.#keypairs.destroyAll();
    // A handshake from before must not complete now: its keypair would be older than the epoch that the peer draws
    // next.
    this.#handshakes?.stop();
    this.#keepalive.stop();
  }

  // ---- for WireGuard: inputs and outputs --------------------------------------------------------------------

  /** X25519 of the two static keys; undefined if no handshake with this peer is possible. */
  get staticStatic(): Uint8Array | undefined {
    return this.#secrets.staticStatic;
  }

  /** Handles a message 1 that authenticated. Takes the message's state.
   *  @returns why the message is dropped, or undefined */
  handleInitiation(now: number, from: Address, message: Initiation): DropReason | undefined {
    const keypair = this.#prepareHandshakes().respond(now, message);
    if (typeof keypair === 'string') return keypair;
    this.#keypairs.addResponded(keypair);
    this.#setExpiryTimer();
    this.#noteReceived(now, { from, bytes: message.bytes, isNewest: true });
    keypair.reachedAt = from;
    return undefined;
  }

  /** Handles a message 2 with a valid mac1 and a receiver index of this session.
   *  @returns why the message is dropped, or undefined */
  handleResponse(now: number, from: Address, message: Uint8Array): DropReason | undefined {
    const outcome = this.#prepareHandshakes().handleResponse(now, message);
    if (typeof outcome === 'string') return outcome;
    this.#keypairs.addInitiated(outcome.keypair);
    this.#setExpiryTimer();
    this.#stats.handshakeRttMs = outcome.roundTripMs;
    this.#measuredAt = outcome.keypair.reachedAt;
    this.#noteReceived(now, { from, bytes: message.length, isNewest: true });
    this.#noteHandshakeComplete();
    // A keepalive confirms the keypair at once, unless data is sent first (spec session 2.4).
    this.#keepalive.want();
    this.#context.wantKeepalive(this);
    return undefined;
  }

  /** Handles a message 3 with a receiver index of this session.
   *  @returns why the message is dropped, or undefined */
  handleCookieReply(now: number, message: Uint8Array): DropReason | undefined {
    return this.#secrets.cookieJar.handleReply(now, message);
  }

  /** Handles a message 4, and opens it in place.
   *  @param keypair the one of this session that its receiver index stands for
   *  @returns why the message is dropped, or undefined */
  handleTransport(
    now: number,
    from: Address,
    keypair: Keypair,
    datagram: Uint8Array,
  ): DropReason | undefined {
    const refused = keypair.open(now, datagram);
    if (refused !== undefined) return refused;
    if (this.#keypairs.confirm(keypair)) this.#noteHandshakeComplete();
    // Only the newest message may move the peer's address (spec path 1).
    const isNewest = keypair.id >= this.#newestReceivedId && keypair.hasOpenedNewest;
    if (isNewest) this.#newestReceivedId = keypair.id;
    this.#noteReceived(now, { from, bytes: datagram.length, reachedAt: keypair.reachedAt, isNewest });
    this.#renewOnReceive(now);
    if (datagram.length > MIN_TRANSPORT_BYTES) this.#keepalive.onDataReceived(now);
    return undefined;
  }

  /** Handles the timers that are due. */
  handleTimeout(now: number): void {
    for (
      let timer = this.#timers.takeExpired(now);
      timer !== undefined;
      timer = this.#timers.takeExpired(now)
    ) {
      this.#handleTimer(now, timer);
    }
  }

  /** When the next timer is due. */
  pollTimeout(): Deadline | undefined {
    return this.#timers.pollTimeout();
  }

  /** Writes a message 1 or 2, if one is due and may be sent to the peer's address.
   *  @param into at least 148 bytes
   *  @returns the length of the message, or 0 if there is none */
  pollHandshake(now: number, into: Uint8Array): number {
    const length = this.#handshakes?.poll(now, into, this.path) ?? 0;
    if (length > 0) this.#noteSent(now, length, false);
    return length;
  }

  /** Writes a keepalive, if one is due and may be sent to the peer's address. If there is no keypair, starts a
   *  handshake instead.
   *  @param into at least 32 bytes
   *  @returns the length of the keepalive, or 0 if there is none */
  pollKeepalive(now: number, into: Uint8Array): number {
    if (this.path.address === undefined || !this.#keepalive.take()) return 0;
    if (this.sendableKeypairId(now) === undefined) {
      this.requestHandshake(now);
      return 0;
    }
    return MIN_TRANSPORT_BYTES <= this.path.allowanceBytes ? this.seal(now, into, 0, 0) : 0;
  }

  /** Wipes everything that is secret and cancels all timers. Nothing is sent after it. */
  destroy(): void {
    this.#isDestroyed = true;
    this.dropKeypairs();
    this.#secrets.wipe();
    this.#timers.cancelAll();
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #prepareHandshakes(): Handshakes<Session<Owner>> {
    this.#handshakes ??= new Handshakes(this, this.#context, this.#secrets, this.#timers);
    return this.#handshakes;
  }

  #handleTimer(now: number, timer: Timer): void {
    switch (timer) {
      case Timer.handshakeRetry:
        if (this.#handshakes?.retry() === false) this.#keepalive.forgetData();
        break;
      case Timer.initiationCopy:
        this.#handshakes?.copyInitiation();
        break;
      case Timer.responseCopy:
        this.#handshakes?.copyResponse();
        break;
      case Timer.noAnswer: // spec session 5.4
        this.requestHandshake(now);
        break;
      case Timer.passiveKeepalive: // spec session 6.2
        this.#keepalive.want();
        this.#context.wantKeepalive(this);
        break;
      case Timer.persistentKeepalive: // spec session 6.4
        this.#keepalive.repeat(now);
        this.#context.wantKeepalive(this);
        break;
      case Timer.keypairExpiry: {
        // Secrets that are no longer needed are wiped (spec session 8.1).
        this.#handshakes?.wipeIdle();
        this.#keypairs.destroyExpired(now);
        this.#setExpiryTimer();
        break;
      }
    }
  }

  #setExpiryTimer(): void {
    const at = this.#keypairs.nextExpiry;
    if (at !== undefined) this.#timers.set(Timer.keypairExpiry, at);
  }

  #noteHandshakeComplete(): void {
    this.#handshakes?.complete();
    this.#renewedOnReceive = false;
    this.#stats.handshakes++;
  }

  /** Starts a handshake when the initiator of an old keypair receives, once per keypair (spec session 5.3). */
  #renewOnReceive(now: number): void {
    const current = this.#keypairs.current;
    if (this.#renewedOnReceive || current?.isInitiator !== true) return;
    if (now - current.createdAt <= REKEY_ON_RECEIVE_AFTER_MS) return;
    this.#renewedOnReceive = true;
    this.requestHandshake(now);
  }

  /** A handshake or transport message was sent, or is about to be. */
  #noteSent(now: number, bytes: number, isKeepalive: boolean): void {
    this.#stats.datagramsSent++;
    this.#stats.bytesSent += bytes;
    this.path.onSent(bytes);
    this.#keepalive.onSent(now, isKeepalive);
  }

  /** A handshake or transport message was received, and authenticated (spec session 7). */
  #noteReceived(now: number, datagram: AuthenticDatagram): void {
    this.#stats.datagramsReceived++;
    this.#stats.bytesReceived += datagram.bytes;
    this.path.onReceived(now, datagram);
    this.#keepalive.onReceived(now);
  }
}
