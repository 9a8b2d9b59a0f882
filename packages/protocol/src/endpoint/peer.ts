import { type Address, sameAddress } from '../address.js';
import { type Deadline, deadlineAt, earlier } from '../deadline.js';
import { type ConnectionError, ConnectionErrorCode, type DropReason } from '../failure.js';
import { Association, type AssociationListener, type AssociationOptions } from '../transport/association.js';
import type { Connection } from '../transport/connection.js';
import {
  DEAD_KEYS_PTO_COUNT,
  KEY_SHARED_SILENCE_MS,
  MOVE_SILENCE_MS,
  PACKET_TYPE,
} from '../transport/limits.js';
import type { Path } from '../transport/path/path.js';
import type { Stream } from '../transport/streams/stream.js';
import type { Hello } from '../transport/wire/frames.js';
import type { Session } from '../wireguard/session.js';
import { BatchSender } from './batch-sender.js';
import { type Farewell, sealFarewell } from './farewell.js';
import type { EventOf } from './peer-event.js';
import { PeerEvents } from './peer-events.js';
import { joinStats, NO_CONNECTION, type PeerStats } from './peer-stats.js';
import { type PeerView, viewPeer } from './peer-view.js';
import { Reachability } from './reachability.js';
import type { TransmitBatch } from './transmit-batch.js';

/** What all peers of an endpoint have in common. */
export interface PeerContext extends AssociationOptions {
  /** Is called when a command on a peer or one of its streams may have given it something to do. */
  readonly onTouched: (peer: Peer) => void;
}

export type PeerEvent = EventOf<Peer>;

/** One peer of an endpoint, where the two halves of the protocol meet.
 *
 *  A peer joins three parts: the session, which owns the keys; the association, which owns the connection; and the path
 *  that both send over. It passes on what one part learns and another has to know: that keys can be used, that an answer
 *  is due, that an epoch has ended and its keys with it, that an address is proven. It decides nothing by itself.
 *
 *  A relay may be configured with thousands of peers that never connect. The association is therefore created at first
 *  contact: when a stream or a connection is asked for, or a datagram authenticates. */
export class Peer implements AssociationListener {
  readonly publicKey: Uint8Array;
  readonly session: Session<Peer>;
  readonly #context: PeerContext;
  readonly #path: Path;
  #association: Association | undefined;
  readonly #sender: BatchSender;
  readonly #reachability: Reachability;
  readonly #events = new PeerEvents<Peer>(this);
  /** 'path-fragments' was reported for the current path. */
  #reportedFragments = false;
  /** Where the peer was when a keypair was last bound to its current epoch. */
  #runAddress: Address | undefined;
  /** Where the peer was at the last 'connected' or 'moved' event. */
  #reportedAddress: Address | undefined;
  #moveReportedAt = Number.NEGATIVE_INFINITY;
  #keySharedAt = Number.NEGATIVE_INFINITY;
  /** A farewell that waits for `takeFarewell`. */
  #farewell: Farewell | undefined;
  #isRemoved = false;

  constructor(session: Session<Peer>, path: Path, context: PeerContext) {
    this.session = session;
    this.#path = path;
    this.#context = context;
    this.publicKey = session.publicKey;
    this.#sender = new BatchSender(session, path);
    this.#reachability = new Reachability(context.transport.maxSilenceMs);
  }

  // ---- for the application ----------------------------------------------------------------------------------

  /** Where datagrams to the peer are sent now; undefined if no address is known. */
  get address(): Address | undefined {
    return this.#path.address;
  }

  /** Connects now, instead of with the first stream. */
  connect(now: number): void {
    this.#associate().requestHello();
    this.session.requestHandshake(now);
    this.#touch();
  }

  /** Whether `presharedKey` is the peer's preshared key. This does not reveal the key. If it is undefined: whether
   *  there is no preshared key. */
  hasPresharedKey(presharedKey: Uint8Array | undefined): boolean {
    return this.session.hasPresharedKey(presharedKey);
  }

  /** Opens a stream.
   *  @returns undefined if the peer permits no more streams; a `streams-available` event follows when it does */
  openStream(): Stream | undefined {
    return this.#associate().openStream();
  }

  /** Moves the peer to an address that we have chosen, which needs no proof. If its IP address is another one than
   *  before, so is the path (spec path 4). */
  setAddress(now: number, address: Address): void {
    const isNew = this.#path.proven?.address !== address.address;
    this.#path.trust(address);
    this.#movePath(now, isNew);
    this.#touch();
  }

  /** Tries another of the peer's addresses: everything is sent there from now on, and a handshake message at once. If
   *  an address that was tried before answers first, the peer is there (spec outage 7). */
  tryAddress(now: number, address: Address): void {
    this.setAddress(now, address);
    this.session.requestHandshake(now);
    this.session.repeatInitiation();
  }

  /** Closes the connection without an error: CLOSE with NONE. */
  close(): void {
    this.#association?.close({ code: ConnectionErrorCode.none, reason: 'closed' });
    this.#touch();
  }

  stats(): PeerStats {
    const { isConnected = false, stats = NO_CONNECTION } = this.#association ?? {};
    return joinStats(this.session.stats, stats, {
      address: this.#path.address,
      datagramBytes: this.#association?.connection.datagramBytes ?? 0,
      connected: isConnected,
      heardAt: this.#reachability.heardAt,
      waitingSince: this.#reachability.waitingSince,
    });
  }

  /** The inside, for tools that show it. It looks at every stream. */
  get view(): PeerView {
    const association = this.#association;
    const own = association && this.#deadlines(association);
    return viewPeer(this.session.view, association?.connection.view, own);
  }

  // ---- for the endpoint: inputs -----------------------------------------------------------------------------

  /** Handles an opened payload.
   *  @returns why it had no effect, or undefined */
  handlePayload(now: number, keypairId: number, payload: Uint8Array): DropReason | undefined {
    const first = payload[0] as number;
    if (first !== PACKET_TYPE) {
      const nibble = first >>> 4;
      return nibble === 4 || nibble === 6 ? 'ip-packet' : 'unknown-payload';
    }
    const reason = this.#associate().handlePacket(now, keypairId, payload);
    this.#checkPathResponse(now);
    return reason;
  }

  /** A datagram of the peer authenticated. */
  handleContact(now: number): void {
    const { connection } = this.#associate();
    const silentMs = this.#reachability.onHeard(now);
    if (silentMs !== undefined) this.#events.push({ type: 'resumed', peer: this, silentMs });
    connection.holdNewStreams(false);
    connection.handleContact(now);
  }

  handleTimeout(now: number): void {
    const { connection } = this.#association ?? {};
    if (connection === undefined) return;
    this.#path.handleTimeout(now);
    const challenge = this.#path.takeChallenge(now, connection.probeTimeoutMs);
    if (challenge !== undefined) connection.challenge(challenge);
    connection.handleSendable(now, this.session.sendableKeypairId(now) !== undefined);
    connection.handleTimeout(now);
    this.#judgeSilence(now, this.#association as Association);
  }

  handleTooLarge(now: number, bytes: number): void {
    this.#association?.connection.handleTooLarge(now, bytes);
  }

  /** Ends the connection, because the peer is being removed.
   *  @returns a farewell to send, if the peer is connected */
  remove(now: number, reason: string): Farewell | undefined {
    const association = this.#association;
    this.#isRemoved = true;
    if (association === undefined) return undefined;
    const error = { code: ConnectionErrorCode.removed, reason };
    const { hello, isConnected } = association;
    const farewell = isConnected ? sealFarewell(now, this.session, this.#path, hello, error) : undefined;
    association.end({ by: 'local', ...error });
    return farewell;
  }

  /** Takes the farewell to another process with the peer's key, if there is one. */
  takeFarewell(): Farewell | undefined {
    const farewell = this.#farewell;
    this.#farewell = undefined;
    return farewell;
  }

  // ---- for the endpoint: outputs ----------------------------------------------------------------------------

  pollEvent(): PeerEvent | undefined {
    const association = this.#association;
    if (association === undefined) return undefined;
    const { connection } = association;
    if (connection.isBaseFragmented && !this.#reportedFragments) {
      this.#reportedFragments = true;
      this.#events.push({ type: 'path-fragments', peer: this, datagramBytes: connection.baseDatagramBytes });
    }
    return this.#events.poll(connection);
  }

  /** Fills `batch` with sealed packets.
   *  @returns false if there is nothing to send now */
  pollTransmit(now: number, batch: TransmitBatch): boolean {
    const association = this.#association;
    if (association === undefined) return false;
    const keypairId = this.session.sendableKeypairId(now);
    const { connection } = association;
    connection.handleSendable(now, keypairId !== undefined);
    // A challenge must not reach any other address than the one on trial (spec path 3).
    connection.discardChallenge(this.#path.challenge);
    if (keypairId === undefined || this.#path.address === undefined) {
      if (association.isClosing) association.endClosing(); // CLOSE cannot be sent.
      if (association.connection.wantsToSend(now)) {
        this.session.requestHandshake(now);
        this.#reachability.ask(now);
      }
      return false;
    }
    const handshakeRttMs = this.session.handshakeRttTo(this.#path.address);
    if (handshakeRttMs !== undefined) connection.handleHandshakeRtt(handshakeRttMs);
    if (!this.#sender.isAdmitted(connection, keypairId)) {
      if (!association.isClosing) return false;
      association.endClosing(); // CLOSE cannot be sent, and the next connection may have to be asked for.
      return this.pollTransmit(now, batch);
    }
    const isFilled = this.#sender.fill(now, keypairId, association, batch);
    if (association.connection.isAwaitingAck) this.#reachability.ask(now);
    return isFilled;
  }

  pollTimeout(): Deadline | undefined {
    const association = this.#association;
    if (association === undefined) return undefined;
    const connection = this.#sender.isHeldBack ? undefined : association.connection.pollTimeout();
    return this.#deadlines(association).reduce(earlier, connection);
  }

  // ---- what the association reports (AssociationListener) ---------------------------------------------------

  onBound(): void {
    this.#runAddress = this.#path.address;
  }

  onConnected({ softwareName }: Hello): void {
    this.#reportedAddress = this.#path.address;
    this.#events.push({ type: 'connected', peer: this, software: softwareName });
  }

  onEnded(connection: Connection): void {
    this.#events.pushEnded(connection);
  }

  onDisconnected(error: ConnectionError, lostStreams: number): void {
    this.#events.push({ type: 'disconnected', peer: this, error, lostStreams });
  }

  onEpochEnded(): void {
    this.session.dropKeypairs();
    this.#reachability.end();
  }

  onCommand(): void {
    this.#touch();
  }

  /** Tells a process that another one with the same key has ended its connection, without disturbing the other one
   *  (spec streams 3.7). */
  onReturned(now: number, keypairId: number, hello: Hello): void {
    if (this.session.sendableKeypairId(now) !== keypairId) return;
    const { address } = this.#path;
    const answer = this.#associate().connection.helloFor(hello.epoch);
    const reason = 'another client with the same key has connected';
    const error = { code: ConnectionErrorCode.superseded, reason };
    this.#farewell = sealFarewell(now, this.session, this.#path, answer, error);
    this.session.dropCurrentKeypair();
    this.#path.endTrial();
    if (now - this.#keySharedAt < KEY_SHARED_SILENCE_MS) return;
    this.#keySharedAt = now;
    const addresses = [this.#runAddress, address].filter((known) => known !== undefined);
    this.#events.push({ type: 'key-shared', peer: this, addresses });
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  /** The association, which is created now if there is none yet. */
  #associate(): Association {
    this.#association ??= new Association(this.#context, this);
    return this.#association;
  }

  #deadlines(association: Association): (Deadline | undefined)[] {
    const at = this.#reachability.dueAt(association);
    return [deadlineAt(at, 'silence'), deadlineAt(this.#path.dueAt, 'path validation')];
  }

  #touch(): void {
    if (!this.#isRemoved) this.#context.onTouched(this);
  }

  /** Checks whether the last packet has proven an address (spec path 3). */
  #checkPathResponse(now: number): void {
    const response = this.#association?.connection.takePathResponse();
    const moved = response === undefined ? undefined : this.#path.onResponse(response);
    if (moved === undefined) return;
    const to = this.#path.proven as Address;
    this.session.releaseInitiation();
    this.#movePath(now, moved === 'address');
    const from = this.#reportedAddress;
    if (from === undefined || sameAddress(from, to)) return; // 'connected' has reported it.
    if (now - this.#moveReportedAt < MOVE_SILENCE_MS) return;
    this.#events.push({ type: 'moved', peer: this, from, to });
    this.#moveReportedAt = now;
    this.#reportedAddress = to;
  }

  /** Reports a move to the connection. @param isNew whether the IP address has changed */
  #movePath(now: number, isNew: boolean): void {
    this.#association?.connection.handleMove(now, isNew);
    if (isNew) this.#reportedFragments = false;
  }

  /** Acts on silence: requests new keys when these may be dead, reports that streams wait, and finally gives them
   *  up. */
  #judgeSilence(now: number, association: Association): void {
    const reachability = this.#reachability;
    if (!association.connection.wantsToSend(now)) reachability.withdraw();
    // Requests must not be sent to a run of the peer that may no longer exist (spec streams 3.8).
    if (reachability.becomesSuspect(now, association)) association.connection.holdNewStreams(true);
    // A peer that has restarted has lost its keys and cannot say so (spec recovery 4.1).
    if (association.connection.ptoCount >= DEAD_KEYS_PTO_COUNT || reachability.isSuspect) {
      this.session.requestHandshake(now);
    }
    // Streams wait (spec outage 2).
    if (reachability.becomesWaiting(now, association)) {
      this.#events.push({ type: 'waiting', peer: this, since: reachability.waitingSince as number });
    }
    if (reachability.isOver(now, association)) {
      association.close({ code: ConnectionErrorCode.idleTimeout, reason: 'nothing heard for too long' });
    }
  }
}
