/** One peer: its keypairs, its handshakes and its timers (spec session). */
import type { Address } from '../address.js';
import { sameAddress } from '../address.js';
import { assert } from '../assert.js';
import type { Deadline } from '../deadline.js';
import type { DropReason } from '../failure.js';
import {
  INITIATION_COPY_INTERVAL_MS,
  INITIATION_COPY_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_HANDSHAKE_TRIES,
  MAX_PERSISTENT_KEEPALIVE_MS,
  MIN_PERSISTENT_KEEPALIVE_MS,
  NO_ANSWER_TIMEOUT_MS,
  REJECT_AFTER_TIME_MS,
  REKEY_AFTER_TIME_MS,
  REKEY_ON_RECEIVE_AFTER_MS,
  REKEY_TIMEOUT_MS,
  RESPONSE_COPY_MS,
} from './constants.js';
import type { SessionContext } from './context.js';
import { Initiator } from './initiator.js';
import type { Keypair } from './keypair.js';
import { KeypairSlots } from './keypair-slots.js';
import { INITIATION_BYTES, MIN_TRANSPORT_BYTES, TransportOffset } from './messages.js';
import type { HandshakeState } from './noise.js';
import { PeerSecrets } from './peer-secrets.js';
import { Responder } from './responder.js';
import { type TimerName, Timers } from './timers.js';

export interface WireGuardPeerOptions {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. */
  readonly presharedKey?: Uint8Array;
  /** Where to send first; without it the peer has to speak first. */
  readonly address?: Address;
  /** 0 or absent: off; else 1 s to 65535 s. */
  readonly persistentKeepaliveMs?: number;
}

/** Judges what may be sent to the present address (spec path 2), and is told of every UDP payload that is. */
export interface SendGuard {
  readonly allowanceBytes: number;
  onSent(bytes: number): void;
}

const NO_LIMIT: SendGuard = { allowanceBytes: Number.POSITIVE_INFINITY, onSent: () => {} };

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

const PADDING_BYTES = 16;

export class WireGuardPeer {
  /** Whatever the layer above wants to find again with a received payload. */
  application: unknown;
  /** Asked before a handshake message or a keepalive is sent; `seal` leaves asking to its caller. */
  sendGuard: SendGuard = NO_LIMIT;
  readonly #context: SessionContext;
  readonly #secrets: PeerSecrets;
  readonly #initiator: Initiator;
  readonly #responder: Responder;
  readonly #keypairs: KeypairSlots;
  readonly #timers = new Timers();
  readonly #persistentKeepaliveMs: number;
  readonly #stats: SessionStats = {
    handshakes: 0,
    handshakeRttMs: undefined,
    datagramsSent: 0,
    datagramsReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
  };
  #address: Address | undefined;
  /** The newest keypair under which the peer has sent. */
  #newestReceivedId = -1;
  /** Initiations sent since somebody last wanted a handshake (spec session 5.5). */
  #tries = 0;
  #initiationDue = false;
  /** The limit of an unproven address kept the last initiation back. */
  #isInitiationHeldBack = false;
  #isInitiationCopyDue = false;
  /** Copies sent of the present initiation and the present response. */
  #initiationCopies = 0;
  #responseCopies = 0;
  #keepaliveDue = false;
  /** Data came while a passive keepalive was already due (spec session 6.2). */
  #anotherKeepalive = false;
  /** The handshake of spec session 5.3 was asked for under this keypair. */
  #renewedOnReceive = false;

  constructor(context: SessionContext, options: WireGuardPeerOptions) {
    const interval = options.persistentKeepaliveMs ?? 0;
    assert(
      interval === 0 || (interval >= MIN_PERSISTENT_KEEPALIVE_MS && interval <= MAX_PERSISTENT_KEEPALIVE_MS),
      'a persistent keepalive is off or every 1 s to 65535 s', // spec session 6.4
    );
    this.#context = context;
    this.#secrets = new PeerSecrets(context, options.publicKey, options.presharedKey);
    this.#initiator = new Initiator(context, this.#secrets);
    this.#responder = new Responder(context, this.#secrets);
    this.#keypairs = new KeypairSlots((keypair) => context.indices.delete(keypair.localIndex));
    this.#address = options.address;
    this.#persistentKeepaliveMs = interval;
    // It is time for the first one as soon as anybody looks.
    if (interval > 0) this.#timers.set('persistent-keepalive', 0);
  }

  // ---- for the layer above ----------------------------------------------------------------------------------

  get publicKey(): Uint8Array {
    return this.#secrets.publicKey;
  }
  get address(): Address | undefined {
    return this.#address;
  }
  get stats(): Readonly<SessionStats> {
    return this.#stats;
  }

  /** Compares without giving the key away. @param presharedKey undefined: whether there is none */
  hasPresharedKey(presharedKey: Uint8Array | undefined): boolean {
    return this.#secrets.hasPresharedKey(presharedKey);
  }

  /** Sends there from now on, until the peer is heard from elsewhere. */
  setAddress(address: Address): void {
    this.#address = address;
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
    this.#noteSent(now, bytes);
    if (length > 0) this.#noteDataSent(now);
    // spec session 5.2
    if (keypair.isWornOut || (keypair.isInitiator && now - keypair.createdAt > REKEY_AFTER_TIME_MS)) {
      this.requestHandshake(now);
    }
    return bytes;
  }

  /** Somebody wants to send. As soon as the interval allows it an initiation goes out, and is repeated
   *  (spec session 5.5, 5.6). Without an address nothing happens. */
  requestHandshake(now: number): void {
    if (this.#address === undefined || this.#secrets.staticStatic === undefined) return;
    this.#tries = 0;
    const at = this.#initiator.mayInitiateAt;
    // A retry that is set waits for its jitter, however often somebody asks.
    if (now >= at && !this.#timers.isSet('handshake-retry')) {
      this.#initiationDue = true;
      this.#context.wantHandshake(this);
    } else if (!this.#timers.isSet('handshake-retry')) {
      this.#timers.set('handshake-retry', at + this.#initiator.jitterMs);
    }
  }

  /** The peer's address is proven: an initiation that its limit kept back goes out now. Waiting for the next try could outlast the
   *  keypair (spec path 2). */
  releaseInitiation(): void {
    if (!this.#isInitiationHeldBack) return;
    this.#isInitiationHeldBack = false;
    this.#timers.cancel('handshake-retry');
    this.#initiationDue = true;
    this.#context.wantHandshake(this);
  }

  /** An initiation that waits for its response goes out once more with the next poll: the address is another now (spec outage 7). */
  repeatInitiation(): void {
    if (this.#initiator.pendingMessage === undefined) return;
    this.#isInitiationCopyDue = true;
    this.#context.wantHandshake(this);
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
    this.#initiator.abandon();
    this.#responder.forgetResponse();
    this.#initiationDue = false;
    this.#isInitiationHeldBack = false;
    this.#timers.cancel('handshake-retry');
    this.#timers.cancel('initiation-copy');
    this.#timers.cancel('response-copy');
    this.#keepaliveDue = false;
    this.#anotherKeepalive = false;
    this.#timers.cancel('passive-keepalive');
    this.#timers.cancel('no-answer');
  }

  // ---- for WireGuard: inputs and outputs --------------------------------------------------------------------

  /** X25519 of both static keys; undefined when no handshake is possible. */
  get staticStatic(): Uint8Array | undefined {
    return this.#secrets.staticStatic;
  }

  /** A message 1 that authenticated. Takes the state. */
  handleInitiation(
    now: number,
    from: Address,
    message: { state: HandshakeState; senderIndex: number; timestamp: Uint8Array; length: number },
  ): DropReason | undefined {
    const { state } = message;
    const refused = this.#responder.admit(now, this, message.timestamp);
    const keypair =
      refused === undefined ? this.#responder.respond(now, this, state, message.senderIndex) : undefined;
    if (keypair === undefined) {
      state.wipe();
      return refused ?? 'handshake-failed';
    }
    this.#keypairs.addResponded(keypair);
    this.#responseCopies = 0;
    this.#setExpiryTimer(now);
    this.#noteReceived(now, message.length, from);
    this.#context.wantHandshake(this);
    return undefined;
  }

  /** A message 2 with a right mac1 and an index of this peer. */
  handleResponse(now: number, from: Address, message: Uint8Array): DropReason | undefined {
    const outcome = this.#initiator.complete(now, message);
    if (typeof outcome === 'string') return outcome;
    this.#keypairs.addInitiated(outcome.keypair);
    this.#setExpiryTimer(now);
    this.#stats.handshakeRttMs = outcome.roundTripMs;
    this.#noteReceived(now, message.length, from);
    this.#noteHandshakeComplete();
    // spec session 2.4: unless data goes out first
    this.#keepaliveDue = true;
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
    this.#noteReceived(now, datagram.length, isNewest ? from : this.#address);
    this.#renewOnReceive(now);
    if (datagram.length > MIN_TRANSPORT_BYTES) this.#noteDataReceived(now);
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
    if (this.#address === undefined) return 0;
    const response = this.#responder.takeResponse(now);
    if (response !== undefined && this.#mayBeSent(response.length)) {
      into.set(response);
      this.#noteSent(now, response.length);
      this.#setCopyTimer(now, 'response-copy', RESPONSE_COPY_MS[this.#responseCopies++]);
      return response.length;
    }
    if (this.#initiationDue) {
      this.#initiationDue = false;
      this.#isInitiationHeldBack = false;
      if (!this.#mayBeSent(INITIATION_BYTES)) {
        // If the address is not proven before the next try, this one counts as lost.
        this.#isInitiationHeldBack = true;
        this.#tries++;
        this.#timers.set('handshake-retry', now + REKEY_TIMEOUT_MS + this.#initiator.jitterMs);
      } else if (this.#initiate(now, into)) return INITIATION_BYTES;
    }
    if (this.#isInitiationCopyDue) {
      this.#isInitiationCopyDue = false;
      if (this.#mayBeSent(INITIATION_BYTES) && this.#copyInitiation(now, into)) return INITIATION_BYTES;
    }
    return 0;
  }

  /** @returns the length of the keepalive written into `into`, or 0 when there is none */
  pollKeepalive(now: number, into: Uint8Array): number {
    if (this.#address === undefined || !this.#keepaliveDue) return 0;
    this.#keepaliveDue = false;
    if (this.sendableKeypairId(now) === undefined) {
      this.requestHandshake(now);
      return 0;
    }
    if (!this.#mayBeSent(MIN_TRANSPORT_BYTES)) return 0;
    const another = this.#anotherKeepalive;
    const length = this.seal(now, into, 0, 0);
    if (another) this.#timers.set('passive-keepalive', now + KEEPALIVE_TIMEOUT_MS);
    return length;
  }

  /** Wipes all that is secret. */
  destroy(): void {
    this.dropKeypairs();
    this.#secrets.wipe();
    this.#timers.cancelAll();
    this.#initiationDue = false;
    this.#isInitiationHeldBack = false;
    this.#address = undefined;
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #mayBeSent(bytes: number): boolean {
    return bytes <= this.sendGuard.allowanceBytes;
  }

  #initiate(now: number, into: Uint8Array): boolean {
    if (!this.#initiator.initiate(now, this, into)) return false;
    this.#tries++;
    this.#noteSent(now, INITIATION_BYTES);
    this.#timers.set('handshake-retry', this.#initiator.mayInitiateAt + this.#initiator.jitterMs);
    this.#initiationCopies = 0;
    this.#isInitiationCopyDue = false;
    this.#setCopyTimer(now, 'initiation-copy', INITIATION_COPY_MS[0]);
    return true;
  }

  /** spec session 5.7: the same bytes again, as a network might deliver them twice. */
  #copyInitiation(now: number, into: Uint8Array): boolean {
    const message = this.#initiator.pendingMessage;
    if (message === undefined) return false;
    into.set(message);
    // A cookie may have come meanwhile.
    this.#secrets.writeMacs(now, into.subarray(0, message.length));
    this.#noteSent(now, message.length);
    this.#initiationCopies++;
    const delayMs = INITIATION_COPY_MS[this.#initiationCopies] ?? INITIATION_COPY_INTERVAL_MS;
    // After the last try has failed nobody waits for an answer.
    if (now + delayMs < this.#initiator.mayInitiateAt) this.#setCopyTimer(now, 'initiation-copy', delayMs);
    return true;
  }

  #setCopyTimer(now: number, name: TimerName, delayMs: number | undefined): void {
    if (delayMs !== undefined) this.#timers.set(name, now + delayMs);
  }

  #handleTimer(now: number, name: TimerName): void {
    switch (name) {
      case 'handshake-retry':
        if (this.#tries >= MAX_HANDSHAKE_TRIES) this.#giveUp();
        else {
          this.#initiationDue = true;
          this.#context.wantHandshake(this);
        }
        break;
      case 'initiation-copy':
        this.#isInitiationCopyDue = true;
        this.#context.wantHandshake(this);
        break;
      case 'response-copy':
        this.#responder.repeatResponse();
        this.#context.wantHandshake(this);
        break;
      case 'no-answer': // spec session 5.4
        this.requestHandshake(now);
        break;
      case 'passive-keepalive': // spec session 6.2
        this.#keepaliveDue = true;
        this.#context.wantKeepalive(this);
        break;
      case 'persistent-keepalive': // spec session 6.4
        this.#timers.set(name, now + this.#persistentKeepaliveMs);
        this.#keepaliveDue = true;
        this.#context.wantKeepalive(this);
        break;
      case 'keypair-expiry': {
        // spec session 8.1. Also an initiation that nobody tries any more: a handshake of the peer's came first.
        if (!this.#timers.isSet('handshake-retry')) this.#initiator.abandon();
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

  /** spec session 5.5 */
  #giveUp(): void {
    this.#initiator.abandon();
    this.#timers.cancel('passive-keepalive');
    this.#anotherKeepalive = false;
  }

  #noteHandshakeComplete(): void {
    this.#timers.cancel('handshake-retry');
    this.#timers.cancel('initiation-copy');
    this.#timers.cancel('response-copy');
    this.#responder.forgetResponse();
    this.#initiationDue = false;
    this.#isInitiationHeldBack = false;
    this.#isInitiationCopyDue = false;
    this.#tries = 0;
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
  #noteSent(now: number, bytes: number): void {
    this.#stats.datagramsSent++;
    this.#stats.bytesSent += bytes;
    this.sendGuard.onSent(bytes);
    this.#keepaliveDue = false;
    this.#anotherKeepalive = false;
    this.#timers.cancel('passive-keepalive');
    this.#restartPersistentKeepalive(now);
  }

  #noteDataSent(now: number): void {
    if (this.#timers.isSet('no-answer')) return;
    this.#timers.set('no-answer', now + NO_ANSWER_TIMEOUT_MS + this.#initiator.jitterMs);
  }

  /** Any authenticated message came in (spec session 7). */
  /** @param from where the peer is now */
  #noteReceived(now: number, bytes: number, from: Address | undefined): void {
    this.#stats.datagramsReceived++;
    this.#stats.bytesReceived += bytes;
    if (!sameAddress(this.#address, from)) this.#address = from;
    this.#timers.cancel('no-answer');
    this.#restartPersistentKeepalive(now);
  }

  #noteDataReceived(now: number): void {
    if (this.#timers.isSet('passive-keepalive')) this.#anotherKeepalive = true;
    else this.#timers.set('passive-keepalive', now + KEEPALIVE_TIMEOUT_MS);
  }

  #restartPersistentKeepalive(now: number): void {
    if (this.#persistentKeepaliveMs === 0) return;
    this.#timers.set('persistent-keepalive', now + this.#persistentKeepaliveMs);
  }
}
