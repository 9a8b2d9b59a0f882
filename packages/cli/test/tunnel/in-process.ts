/** A relay and its clients in this process, over UDP on loopback, with their events. */
import { randomBytes } from 'node:crypto';
import { type Client, type ClientEvent, type ClientOptions, startClient } from '@underpass/client';
import { type AllowRule, parseAllowRule, parseLocalForwards } from '@underpass/forward';
import { type Relay, type RelayEvent, type RelayOptions, startRelay } from '@underpass/relay';
import { silentLog } from '@underpass/runtime';
import { onTestFinished } from 'vitest';
import { publicKeyOf } from '../../src/public-key.js';

/** Records events, and resolves those that a test waits for. */
export class Heard<T extends { readonly type: string }> {
  readonly all: T[] = [];
  #waiting: (() => void)[] = [];

  readonly add = (event: T): void => {
    this.all.push(event);
    for (const wake of this.#waiting.splice(0)) wake();
  };
  of<K extends T['type']>(type: K): Extract<T, { readonly type: K }>[] {
    return this.all.filter((event) => event.type === type) as Extract<T, { readonly type: K }>[];
  }
  /** Resolves with the `count`-th event of that type, past or future. */
  async next<K extends T['type']>(type: K, count = 1): Promise<Extract<T, { readonly type: K }>> {
    for (;;) {
      const found = this.of(type)[count - 1];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

export interface Keys {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export function newKeys(): Keys {
  const privateKey = randomBytes(32);
  return { privateKey, publicKey: publicKeyOf(privateKey) };
}

export function rules(texts: readonly string[]): AllowRule[] {
  return texts.map((text) => {
    const rule = parseAllowRule(text);
    if ('reason' in rule) throw new Error(rule.reason);
    return rule;
  });
}

export interface RunningRelay {
  readonly relay: Relay;
  readonly heard: Heard<RelayEvent>;
}

export async function runRelay(
  options: Pick<RelayOptions, 'privateKey' | 'peers'> & Partial<RelayOptions>,
): Promise<RunningRelay> {
  const heard = new Heard<RelayEvent>();
  const relay = await startRelay({
    listen: { host: '127.0.0.1', port: 0 },
    log: silentLog,
    onEvent: heard.add,
    ...options,
    privateKey: Uint8Array.from(options.privateKey), // a relay wipes its copy when it closes
  });
  onTestFinished(() => relay.close());
  return { relay, heard };
}

export interface RunningClient {
  readonly client: Client;
  readonly heard: Heard<ClientEvent>;
  /** The local port of each forward. */
  readonly ports: readonly number[];
}

/** @param forwards  as arguments of `-L` */
export async function runClient(
  forwards: readonly string[],
  options: Pick<ClientOptions, 'privateKey' | 'relay' | 'relayPublicKey'> & Partial<ClientOptions>,
): Promise<RunningClient> {
  const heard = new Heard<ClientEvent>();
  const client = await startClient({
    forwards: forwards.flatMap((text) => {
      const parsed = parseLocalForwards(text);
      if ('reason' in parsed) throw new Error(parsed.reason);
      return parsed;
    }),
    log: silentLog,
    onEvent: heard.add,
    ...options,
    privateKey: Uint8Array.from(options.privateKey),
  });
  onTestFinished(() => client.close());
  return { client, heard, ports: client.forwards.map(({ addresses }) => addresses[0]?.port ?? 0) };
}

export interface Tunnel {
  readonly relay: RunningRelay;
  readonly client: RunningClient;
  readonly relayKeys: Keys;
  readonly clientKeys: Keys;
  /** The local port of the first forward. */
  readonly port: number;
}

export async function runTunnel(options: {
  readonly allow: readonly string[];
  readonly forwards: readonly string[];
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  readonly contactLimitMs?: number;
}): Promise<Tunnel> {
  const relayKeys = newKeys();
  const clientKeys = newKeys();
  const relay = await runRelay({
    privateKey: relayKeys.privateKey,
    peers: [{ name: 'laptop', publicKey: clientKeys.publicKey, allow: rules(options.allow) }],
    ...(options.resolve && { resolve: options.resolve }),
  });
  const client = await runClient(options.forwards, {
    privateKey: clientKeys.privateKey,
    relay: at(relay),
    relayPublicKey: relayKeys.publicKey,
    ...(options.contactLimitMs && { contactLimitMs: options.contactLimitMs }),
  });
  return { relay, client, relayKeys, clientKeys, port: client.ports[0] ?? 0 };
}

/** The address at which a client reaches it. */
export function at({ relay }: RunningRelay): { readonly host: string; readonly port: number } {
  return { host: relay.address.address, port: relay.address.port };
}
