/** A relay in a program: `import { createRelay } from 'underpass/relay'`. relay-api.ts documents it. */
import { EventEmitter } from 'node:events';
import { formatTarget, parseAllowRule, parseListenRule } from '@underpass/forward';
import { type RelayEvent, type RelayPeerOptions, type Relay as Started, startRelay } from '@underpass/relay';
import { silentLog, UnderpassError } from '@underpass/runtime';
import { parseListenAddress } from '../host-port.js';
import { encodeKey } from '../key-text.js';
import { publicKeyOf } from '../public-key.js';
import { keyIn } from './keys.js';
import type * as Api from './relay-api.js';

export type * from './relay-api.js';

export const createRelay: typeof Api.createRelay = async (options) => {
  const { listen, peers, signal, log = silentLog, maxOutageMs } = options;
  signal?.throwIfAborted();
  const place = parseListenAddress(listen);
  if (place === undefined) {
    throw new UnderpassError('invalid-option', `listen: '${listen}' is not a port`, 'expected [HOST:]PORT');
  }
  const privateKey = keyIn(options.privateKey, 'privateKey');
  const publicKey = encodeKey(publicKeyOf(privateKey));
  let relay: EmbeddedRelay | undefined;
  try {
    const started = await startRelay({
      listen: place,
      privateKey,
      peers: peers.map(peerOf),
      log,
      onEvent: (event) => relay?.onEvent(event),
      ...(maxOutageMs !== undefined && { maxOutageMs }),
    });
    relay = new EmbeddedRelay(started, publicKey);
  } finally {
    privateKey.fill(0);
  }
  if (signal !== undefined) relay.closeWith(signal);
  return relay;
};

/** Translates the events and the status of a relay that runs, and owns nothing but whether it is closed. */
class EmbeddedRelay extends EventEmitter<Api.RelayEvents> implements Api.Relay {
  readonly publicKey: string;
  readonly #relay: Started;
  #closing: Promise<void> | undefined;

  constructor(relay: Started, publicKey: string) {
    super();
    this.#relay = relay;
    this.publicKey = publicKey;
  }

  get address(): string {
    return addressText(this.#relay.address);
  }

  setPeers(peers: readonly Api.RelayPeer[]): void {
    if (this.#closing !== undefined) throw new UnderpassError('closed', 'the relay is closed', '');
    this.#relay.setPeers(peers.map(peerOf));
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
    this.#closing ??= this.#relay.close().then(() => void this.emit('close'));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes when the signal aborts. */
  closeWith(signal: AbortSignal): void {
    const onAbort = () => void this.close();
    signal.addEventListener('abort', onAbort, { once: true });
    this.once('close', () => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
  }

  /** Takes every event of the relay. */
  onEvent(event: RelayEvent): void {
    switch (event.type) {
      case 'peer-connected':
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

/** @throws UnderpassError */
function peerOf({ name, publicKey, presharedKey, allow, allowListen }: Api.RelayPeer): RelayPeerOptions {
  const where = `peer ${name}`;
  return {
    name,
    publicKey: keyIn(publicKey, `${where}: publicKey`),
    ...(presharedKey !== undefined && { presharedKey: keyIn(presharedKey, `${where}: presharedKey`) }),
    allow: allow.map((text) => ruleOf(parseAllowRule(text), `${where}: allow`)),
    ...(allowListen && {
      allowListen: allowListen.map((text) => ruleOf(parseListenRule(text), `${where}: allowListen`)),
    }),
  };
}

function ruleOf<T extends object>(parsed: T | { readonly reason: string }, where: string): T {
  if ('reason' in parsed) throw new UnderpassError('invalid-option', `${where}: ${parsed.reason}`, '');
  return parsed;
}

function addressText({ address, port }: Started['address']): string {
  return formatTarget({ host: address, port });
}
