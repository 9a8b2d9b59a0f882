import { DescriptorGuard, IdleWatch, LookupQueue, OUT_OF_DESCRIPTORS, SocketWatch } from '@underpass/forward';
import {
  type Address,
  bytesKey,
  type ConnectionError,
  ConnectionErrorCode,
  type CryptoSuite,
  Endpoint,
  type Peer,
  type Shard,
  type Stream,
} from '@underpass/protocol';
import {
  type DatagramSocket,
  Driver,
  type SharedSocket,
  secureRandom,
  systemTimers,
  transportOver,
  unixTimeMs,
} from '@underpass/runtime';
import { checkPeers } from './check-peers.js';
import { Invitations } from './enrolment.js';
import { Member, type SharedByMembers } from './member.js';
import { Registrar } from './registrar.js';
import type {
  Relay,
  RelayEvent,
  RelayInviteOptions,
  RelayOptions,
  RelayPeerOptions,
  RelayStatus,
} from './relay-options.js';
import { SendErrorPace } from './send-error-pace.js';
import { ownAddresses, systemLookup } from './this-machine.js';

const DEFAULT_MAX_OUTAGE_MS = 24 * 3_600_000;

/** What makes a relay one of several processes that share a port (spec session 3.3). */
export interface WorkerRole {
  /** The peers that it serves, which are the only ones that it is told about. */
  readonly shard: Shard;
  readonly socket: SharedSocket;
  /** Passes a datagram on to the process that serves that shard. The bytes are valid only during the call. */
  readonly passOn: (shard: number, datagram: Uint8Array, from: Address) => void;
  /** `Registrar.enrol` of the main process. */
  readonly enrol: Registrar['enrol'];
}

/** A relay that is one of several processes. */
export interface RelayWorker extends Relay {
  addPeer(peer: RelayPeerOptions): void;
  /** Handles a datagram that arrived at another of the processes. */
  handlePassedOn(datagram: Uint8Array, from: Address): void;
}

/** All that does not grow with the number of peers: those change while the relay runs, and each has its `Member`. */
type SettledOptions = Omit<RelayOptions, 'listen' | 'peers' | 'invites'>;

type EventWithoutPeer =
  | { readonly type: 'waiting' | 'resumed'; readonly silentMs: number }
  | { readonly type: 'path-fragments'; readonly datagramBytes: number }
  | { readonly type: 'moved'; readonly from: Address; readonly to: Address }
  | { readonly type: 'key-shared'; readonly addresses: readonly Address[] }
  | { readonly type: 'clock-behind'; readonly clockMs: number; readonly earlierClockMs: number };

/** A relay that runs: the peers of the config on one endpoint, and the targets that they reach.
 *
 *  It owns the driver with its socket, and for each configured peer an endpoint peer and a `Member`, which serves the
 *  peer's streams. The driver reports what happens to a peer; this class turns it into
 *  events under the peer's configured name. `setPeers` is the only way to change who may connect. It never judges a
 *  target: the member's acceptor does. */
export class RunningRelay implements RelayWorker {
  readonly #options: SettledOptions;
  readonly #endpoint: Endpoint;
  readonly #socket: DatagramSocket;
  readonly #suite: CryptoSuite;
  readonly #driver: Driver;
  readonly #shared: SharedByMembers;
  /** By public key. */
  readonly #members = new Map<string, Member>();
  readonly #invitations: Invitations;
  readonly #sendErrorPace = new SendErrorPace();
  #closing: Promise<void> | undefined;

  constructor(options: SettledOptions, socket: DatagramSocket, suite: CryptoSuite, role?: WorkerRole) {
    const endpoint = newEndpoint(options, socket, suite, role);
    this.#options = options;
    this.#endpoint = endpoint;
    this.#socket = socket;
    this.#suite = suite;
    this.#driver = new Driver({
      endpoint,
      socket,
      handler: {
        onConnected: (peer) => this.#onConnected(peer),
        onDisconnected: (peer, error, lostStreams) => this.#onDisconnected(peer, error, lostStreams),
        onMoved: (peer, from, to) => this.#emitFor(peer, { type: 'moved', from, to }),
        onKeyShared: (peer, addresses) => this.#emitFor(peer, { type: 'key-shared', addresses }),
        onStreamsAvailable: (peer) => this.#memberOf(peer)?.startWaiting(),
        onWaiting: (peer, since) => {
          this.#noteSilence(peer, since);
          this.#emitFor(peer, { type: 'waiting', silentMs: this.#driver.now() - since });
        },
        onPathFragments: (peer, datagramBytes) => {
          this.#emitFor(peer, { type: 'path-fragments', datagramBytes });
        },
        onSendError: (address, code) => this.#onSendError(address, code),
        onResumed: (peer, silentMs) => {
          this.#noteSilence(peer, undefined);
          this.#emitFor(peer, { type: 'resumed', silentMs });
        },
        onUnknownKey: (publicKey, address) => this.#emit({ type: 'unknown-key', publicKey, address }),
        onClockBehind: (peer, clockMs, earlierClockMs) => {
          this.#emitFor(peer, { type: 'clock-behind', clockMs, earlierClockMs });
        },
        onStream: (peer, stream) => this.#onStream(peer, stream),
      },
      ...(options.onFatal && { onFatal: options.onFatal }),
      ...(role && { passOn: role.passOn }),
    });
    const idle = new IdleWatch({
      timers: systemTimers,
      now: () => this.#driver.now(),
      idleMs: options.idleTimeoutMs,
    });
    this.#shared = {
      tunnel: this.#driver,
      lookups: new LookupQueue(options.resolve ?? systemLookup, systemTimers),
      watch: new SocketWatch(systemTimers, idle),
      descriptors: new DescriptorGuard({
        onShortage: (refused) => {
          options.log.warn(
            { event: 'out-of-descriptors', refused },
            `${OUT_OF_DESCRIPTORS}; requests are refused`,
          );
        },
        now: () => this.#driver.now(),
      }),
      ownAddresses,
      ...(options.ownSockets && { ownSockets: options.ownSockets }),
      now: () => this.#driver.now(),
      emit: (event) => this.#emit(event),
      holderOf: (port) => this.#holderOf(port),
    };
    const registrar = new Registrar({
      publicKey: endpoint.publicKey,
      everybody: {
        nameOf: (publicKey) => this.#members.get(bytesKey(publicKey))?.name,
        isInvite: (publicKey) => this.#invitations.has(publicKey),
        count: () => endpoint.peers.length,
        add: (peer) => this.addPeer(peer),
      },
      emit: (event) => this.#emit(event),
      relay: options,
    });
    this.#invitations = new Invitations({
      endpoint,
      tunnel: this.#driver,
      timers: systemTimers,
      now: () => this.#driver.now(),
      enrol: role?.enrol ?? ((...request) => registrar.enrol(...request)),
      name: options.name,
    });
  }

  get address() {
    return this.#socket.address;
  }

  get members(): Iterable<Member> {
    return this.#members.values();
  }

  status(): RelayStatus {
    return {
      address: this.#socket.address,
      suite: this.#suite.name,
      socket: this.#socket.kind,
      segments: this.#socket.segments,
      coalesces: this.#socket.coalesces,
      drops: this.#endpoint.drops,
      sendErrors: this.#socket.sendErrors,
      peers: [...this.#members.values()].map(({ options, peer, streams, listeners }) => ({
        name: options.name,
        publicKey: options.publicKey,
        allow: options.allow.map((rule) => rule.text),
        allowListen: (options.allowListen ?? []).map((rule) => rule.text),
        stats: peer.stats(),
        streams,
        listeners,
      })),
    };
  }

  setPeers(peers: readonly RelayPeerOptions[], invites: readonly RelayInviteOptions[] = []): void {
    checkPeers(peers, invites);
    if (this.#closing !== undefined) return;
    const wanted = new Map(peers.map((options) => [bytesKey(options.publicKey), options]));
    for (const [key, member] of this.#members) {
      const options = wanted.get(key);
      if (options !== undefined && member.peer.hasPresharedKey(options.presharedKey)) {
        member.setOptions(options);
        continue;
      }
      const { connected, openStreams } = member.peer.stats();
      // The stream of a listener is no connection of anybody.
      const lostStreams = openStreams - member.listeners.length;
      const reason =
        options === undefined ? 'removed from the config' : 'its preshared key changed in the config';
      this.#members.delete(key);
      this.#endpoint.removePeer(this.#driver.now(), member.peer, reason);
      void member.close(reason);
      if (connected) {
        const peer = member.name;
        this.#emit({ type: 'peer-disconnected', peer, reason, lostStreams });
      }
    }
    this.#invitations.set(invites);
    for (const [key, options] of wanted) {
      if (!this.#members.has(key)) this.#members.set(key, this.#addMember(options));
    }
    this.#driver.wake();
  }

  addPeer(peer: RelayPeerOptions): void {
    const key = bytesKey(peer.publicKey);
    if (this.#closing === undefined && !this.#members.has(key)) this.#members.set(key, this.#addMember(peer));
  }

  handlePassedOn(datagram: Uint8Array, from: Address): void {
    this.#driver.handlePassedOn(datagram, from);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#driver.close();
    await Promise.all(Array.from(this.#members.values(), (member) => member.close('the relay stops')));
  }

  #addMember(options: RelayPeerOptions): Member {
    const { publicKey, presharedKey } = options;
    const peer = this.#endpoint.addPeer({ publicKey, ...(presharedKey && { presharedKey }) });
    return new Member(options, peer, this.#shared);
  }

  #onStream(peer: Peer, stream: Stream): void {
    if (!this.#invitations.accept(peer, stream)) this.#memberOf(peer)?.accept(stream);
  }

  /** The name of the peer for which the relay listens on that port. */
  #holderOf(port: number): string | undefined {
    return [...this.#members.values()].find((member) => member.listensOn(port))?.name;
  }

  #noteSilence(peer: Peer, since: number | undefined): void {
    const member = this.#memberOf(peer);
    if (member !== undefined) member.silentSince = since;
  }

  #memberOf(peer: Peer): Member | undefined {
    const member = this.#members.get(bytesKey(peer.publicKey));
    return member?.peer === peer ? member : undefined;
  }

  #emit(event: RelayEvent): void {
    this.#options.onEvent?.(event);
  }

  /** Emits an event under the peer's name, unless the peer has left the config meanwhile. */
  #emitFor(peer: Peer, event: EventWithoutPeer): void {
    const member = this.#memberOf(peer);
    if (member !== undefined) this.#emit({ ...event, peer: member.name });
  }

  #onConnected(peer: Peer): void {
    this.#invitations.onConnected(peer);
    const member = this.#memberOf(peer);
    if (member === undefined) return;
    member.silentSince = undefined;
    this.#emit({ type: 'peer-connected', peer: member.name, address: peer.stats().address });
  }

  #onDisconnected(peer: Peer, error: ConnectionError, lostStreams: number): void {
    const member = this.#memberOf(peer);
    if (member === undefined) return;
    member.silentSince = undefined;
    this.#emit({
      type: 'peer-disconnected',
      peer: member.name,
      reason: reasonOf(error),
      lostStreams: lostStreams - member.takeLostListeners(),
    });
  }

  #onSendError(address: Address, code: string): void {
    if (!this.#sendErrorPace.permits(this.#driver.now(), code)) return;
    this.#emit({ type: 'cannot-send', address, code });
  }
}

function reasonOf({ by, code, reason }: ConnectionError): string {
  if (code === ConnectionErrorCode.peerRestarted) return 'the client was restarted';
  if (code === ConnectionErrorCode.none && by === 'peer') return 'the client was stopped';
  return reason === '' ? `code ${code}` : reason;
}

function newEndpoint(
  options: SettledOptions,
  socket: DatagramSocket,
  suite: CryptoSuite,
  role: WorkerRole | undefined,
): Endpoint {
  return new Endpoint({
    role: 'relay',
    privateKey: options.privateKey,
    suite,
    random: secureRandom,
    unixTimeMs,
    transport: {
      ...transportOver(socket, options),
      maxSilenceMs: options.maxOutageMs ?? DEFAULT_MAX_OUTAGE_MS,
    },
    ...(options.keyLog && { keyLog: options.keyLog }),
    ...(role && { shard: role.shard }),
  });
}
