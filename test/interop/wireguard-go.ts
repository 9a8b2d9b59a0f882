/** Runs wireguard-go on host `b`, controlled with `wg`. */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { TwoHosts } from './two-hosts.js';

export interface OtherPeer {
  readonly publicKey: string;
  readonly presharedKey: Uint8Array | undefined;
  /** `host:port`, or undefined to wait for the peer. */
  readonly endpoint: string | undefined;
}

/** The networks inside the tunnel. */
export const INNER = { a: '10.99.0.1', b: '10.99.0.2' } as const;
const LONGEST_START_MS = 10_000;

export class WireGuardGo {
  readonly publicKey: string;
  readonly #hosts: TwoHosts;

  private constructor(hosts: TwoHosts, publicKey: string) {
    this.#hosts = hosts;
    this.publicKey = publicKey;
  }

  static async start(hosts: TwoHosts, port: number, peer: OtherPeer): Promise<WireGuardGo> {
    const name = hosts.interfaceName;
    hosts.start('b', 'wireguard-go', '-f', name);
    const controlSocket = `/var/run/wireguard/${name}.sock`;
    for (let waited = 0; !existsSync(controlSocket); waited += 20) {
      if (waited > LONGEST_START_MS) throw new Error('wireguard-go did not open its control socket');
      await pause(20); // it does not report when it is ready
    }
    const privateKey = execFileSync('wg', ['genkey'], { encoding: 'utf8' });
    const keyFile = write(hosts.directory, 'private', privateKey);
    const parameters = ['peer', peer.publicKey, 'allowed-ips', `${INNER.a}/32`];
    if (peer.presharedKey !== undefined) {
      const key = Buffer.from(peer.presharedKey).toString('base64');
      parameters.push('preshared-key', write(hosts.directory, 'preshared', key));
    }
    if (peer.endpoint !== undefined) parameters.push('endpoint', peer.endpoint);
    hosts.run('b', 'wg', 'set', name, 'private-key', keyFile, 'listen-port', `${port}`, ...parameters);
    hosts.run('b', 'ip', 'address', 'add', `${INNER.b}/24`, 'dev', name);
    hosts.run('b', 'ip', 'link', 'set', name, 'up');
    const publicKey = execFileSync('wg', ['pubkey'], { input: privateKey, encoding: 'utf8' }).trim();
    return new WireGuardGo(hosts, publicKey);
  }

  /** @param property  for example `endpoints` or `latest-handshakes`
   *  @returns its value for the one peer */
  show(property: string): string {
    const line = this.#hosts.run('b', 'wg', 'show', this.#hosts.interfaceName, property).trim();
    return line.split('\t')[1] ?? '';
  }

  setPort(port: number): void {
    this.#hosts.run('b', 'wg', 'set', this.#hosts.interfaceName, 'listen-port', `${port}`);
  }
}

function write(directory: string, name: string, text: string): string {
  const file = path.join(directory, name);
  writeFileSync(file, `${text.trim()}\n`, { mode: 0o600 });
  return file;
}
