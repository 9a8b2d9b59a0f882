/** A relay in a program: `import { createRelay } from 'underpass/relay'`. relay-api.ts documents it. */
import { EventEmitter } from 'node:events';
import {
  formatTarget,
  NAME_PATTERN,
  parseAllowRule,
  parseListenRule,
  parseMaxRate,
} from '@underpass/forward';
import { copySecret } from '@underpass/protocol';
import { type RelayEvent, type RelayPeerOptions, type Relay as Started, startRelay } from '@underpass/relay';
import { silentLog, UnderpassError, unixTimeMs } from '@underpass/runtime';
import { type HostPort, parseHostPort, parseListenAddress } from '../host-port.js';
import { encodeKey } from '../key-text.js';
import { DEFAULT_INVITE_MS, MAX_INVITE_MS, MAX_INVITES, MIN_INVITE_MS, NAME_WORDS } from '../limits.js';
import { publicKeyOf } from '../public-key.js';
import { Closing } from './closing.js';
import { type EnrolledPeer, type InviteRules, Invites } from './invites.js';
import { keyIn } from './keys.js';
import type * as Api from './relay-api.js';

export type * from './relay-api.js';

export const createRelay: typeof Api.createRelay = async (options) => {
  const { listen, signal, log = silentLog } = options;
  signal?.throwIfAborted();
  const place = parseListenAddress(listen);
  if (place === undefined) {
    throw new UnderpassError('invalid-option', `listen: '${listen}' is not a port`, 'expected [HOST:]PORT');
  }
  const peers = options.peers.map(peerOf);
  const privateKey = keyIn(options.privateKey, 'privateKey');
  const { onEnrol } = options;
  let relay: EmbeddedRelay | undefined;
  const keep = (peer: EnrolledPeer): void => {
    onEnrol?.(enrolledPeer(peer));
    relay?.onEnrolled(peer);
  };
  const invites = onEnrol && new Invites(keep, unixTimeMs);
  try {
    const started = await startRelay({
      listen: place,
      privateKey,
      peers,
      log,
      onEvent: (event) => relay?.onEvent(event),
      ...(invites && { enrol: (name, publicKey) => invites.enrol(name, publicKey) }),
      ...(options.maxOutageMs !== undefined && { maxOutageMs: options.maxOutageMs }),
      ...(options.idleTimeoutMs !== undefined && { idleTimeoutMs: options.idleTimeoutMs }),
      ...(options.resolve && { resolve: options.resolve }),
    });
    relay = new EmbeddedRelay(started, publicKeyOf(privateKey), peers, invites);
  } catch (error) {
    wipeKeys(peers);
    throw error;
  } finally {
    privateKey.fill(0);
  }
  if (signal !== undefined) relay.closeWith(signal);
  return relay;
};

/** Translates the events and the status of a relay that runs. It owns the list of peers, to which enrolment adds. */
class EmbeddedRelay extends EventEmitter<Api.RelayEvents> implements Api.Relay {
  readonly publicKey: string;
  readonly #publicKey: Uint8Array;
  readonly #relay: Started;
  readonly #invites: Invites | undefined;
  #peers: readonly RelayPeerOptions[];
  readonly #closing = new Closing('the relay', () => this.#close());

  constructor(
    relay: Started,
    publicKey: Uint8Array,
    peers: readonly RelayPeerOptions[],
    invites: Invites | undefined,
  ) {
    super();
    this.#relay = relay;
    this.#publicKey = publicKey;
    this.publicKey = encodeKey(publicKey);
    this.#peers = peers;
    this.#invites = invites;
  }

  get address(): string {
    return addressText(this.#relay.address);
  }

  setPeers(peers: readonly Api.RelayPeer[]): void {
    this.#closing.refuseClosed();
    this.#setPeers(peers.map(peerOf));
  }

  invite(name: string, options: Api.InviteOptions): Api.Invite {
    this.#closing.refuseClosed();
    const invites = this.#invites;
    if (invites === undefined) {
      throw new UnderpassError('invalid-option', 'this relay cannot keep a peer that enrols', 'give onEnrol');
    }
    const { expiresInMs = DEFAULT_INVITE_MS } = options;
    const refuse = (what: string, hint: string) => new UnderpassError('invalid-option', what, hint);
    if (!NAME_PATTERN.test(name)) {
      throw refuse(`'${name}' cannot be a peer's name`, `expected ${NAME_WORDS}`);
    }
    if (!(expiresInMs >= MIN_INVITE_MS && expiresInMs <= MAX_INVITE_MS)) {
      throw refuse(`expiresInMs: ${expiresInMs} is not possible`, 'expected a minute to 30 days');
    }
    if (invites.isOpen(name) || this.#peers.some((peer) => peer.name === name)) {
      throw refuse(`the name ${name} is taken`, 'choose another, or revoke the invite or the peer');
    }
    if (invites.size >= MAX_INVITES) {
      throw refuse(`a relay keeps at most ${MAX_INVITES} invites`, 'revoke some that are open, or wait');
    }
    const rules = rulesOf(options, `invite ${name}`);
    const endpoint = this.#endpointOf(options.endpoint);
    const expiresAtMs = unixTimeMs() + expiresInMs;
    const added = invites.add(name, rules, expiresAtMs, { endpoint, publicKey: this.#publicKey });
    this.#setPeers(this.#peers);
    const revoke = (): void => {
      if (!this.#closing.hasBegun && added.revoke()) this.#setPeers(this.#peers);
    };
    return { link: added.link, expires: new Date(expiresAtMs), revoke };
  }

  status(): Api.RelayStatus {
    return {
      address: this.address,
      peers: this.#relay.status().peers.map(({ name, stats, streams, listeners }) => ({
        name,
        connected: stats.connected,
        address: stats.address && addressText(stats.address),
        rttMs: stats.smoothedRttMs,
        connections: streams.map(({ id, target }) => ({ id, target: formatTarget(target) })),
        listeners: listeners.map(({ listener }) => listener),
      })),
    };
  }

  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  closeWith(signal: AbortSignal): void {
    this.#closing.closeWith(signal);
  }

  /** The relay has made a peer of a client with an invite. */
  onEnrolled(peer: EnrolledPeer): void {
    const { presharedKey } = peer;
    // The relay wipes what it was given.
    this.#peers = [...this.#peers, { ...peer, presharedKey: copySecret(presharedKey) }];
  }

  /** @throws UnderpassError; nothing has changed then */
  #setPeers(peers: readonly RelayPeerOptions[]): void {
    let unused = peers;
    try {
      this.#relay.setPeers(peers, this.#invites?.forRelay());
      unused = this.#peers;
      this.#peers = peers;
    } finally {
      if (unused !== this.#peers) wipeKeys(unused);
    }
  }

  async #close(): Promise<void> {
    await this.#relay.close();
    wipeKeys(this.#peers);
    this.#invites?.clear();
    this.emit('close');
  }

  /** @throws UnderpassError */
  #endpointOf(given: string | undefined): HostPort {
    const { address, port } = this.#relay.address;
    const isEvery = address === '0.0.0.0' || address === '::';
    const endpoint = given === undefined ? { host: address, port } : parseHostPort(given);
    if (endpoint !== undefined && !(given === undefined && isEvery)) return endpoint;
    throw new UnderpassError(
      'invalid-option',
      given === undefined
        ? 'a relay that listens on every interface cannot tell where clients reach it'
        : `endpoint: '${given}' is not a host and a port`,
      'give endpoint: HOST:PORT, IPv6 in brackets',
    );
  }

  /** Takes every event of the relay. */
  onEvent(event: RelayEvent): void {
    switch (event.type) {
      case 'peer-enrolled':
      case 'invite-reused':
        this.emit(event.type, { peer: event.peer });
        break;
      case 'peer-connected':
        this.#invites?.onConnected(event.peer);
        this.emit('peer-connected', { peer: event.peer });
        break;
      case 'peer-disconnected':
        this.emit('peer-disconnected', { peer: event.peer, reason: event.reason });
        break;
      case 'stream-opened': {
        const { peer, id, target } = event;
        this.emit('connection-opened', { peer, id, target: formatTarget(target) });
        break;
      }
      case 'stream-closed': {
        const { peer, id, target, clean } = event;
        this.emit('connection-closed', { peer, id, target: formatTarget(target), clean });
        break;
      }
      case 'refused':
        this.emit('refused', { peer: event.peer, advice: event.advice });
        break;
      default:
    }
  }
}

/** The relay has its own copies. */
function wipeKeys(peers: readonly RelayPeerOptions[]): void {
  for (const { presharedKey } of peers) presharedKey?.fill(0);
}

/** @throws UnderpassError */
function peerOf(peer: Api.RelayPeer): RelayPeerOptions {
  const { name, publicKey, presharedKey } = peer;
  const where = `peer ${name}`;
  return {
    name,
    publicKey: keyIn(publicKey, `${where}: publicKey`),
    ...(presharedKey !== undefined && { presharedKey: keyIn(presharedKey, `${where}: presharedKey`) }),
    ...rulesOf(peer, where),
  };
}

function rulesOf(
  rules: Pick<Api.RelayPeer, 'allow' | 'allowListen' | 'maxRate'>,
  where: string,
): InviteRules {
  const { allow, allowListen = [], maxRate } = rules;
  return {
    allow: allow.map((text) => ruleOf(parseAllowRule(text), `${where}: allow`)),
    allowListen: allowListen.map((text) => ruleOf(parseListenRule(text), `${where}: allowListen`)),
    ...(maxRate !== undefined && { maxRate: ruleOf(parseMaxRate(maxRate), `${where}: maxRate`) }),
  };
}

function enrolledPeer(peer: EnrolledPeer): Api.EnrolledPeer {
  const { name, publicKey, presharedKey, allow, allowListen = [], maxRate } = peer;
  return {
    name,
    publicKey: encodeKey(publicKey),
    presharedKey: encodeKey(presharedKey),
    allow: allow.map(({ text }) => text),
    allowListen: allowListen.map(({ text }) => text),
    ...(maxRate && { maxRate: maxRate.text }),
  };
}

function ruleOf<T extends object>(parsed: T | { readonly reason: string }, where: string): T {
  if ('reason' in parsed) throw new UnderpassError('invalid-option', `${where}: ${parsed.reason}`, '');
  return parsed;
}

function addressText({ address, port }: Started['address']): string {
  return formatTarget({ host: address, port });
}
