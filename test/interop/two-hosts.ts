/** Two network namespaces connected by a virtual cable. Needs root and Linux. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { installed } from '../e2e/installed.js';

export const ADDRESSES = {
  a: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
  b: { ipv4: '192.0.2.2', ipv6: '2001:db8::2' },
} as const;

export type Host = keyof typeof ADDRESSES;

const HELPER = fileURLToPath(new URL('./socket-in-namespace.mjs', import.meta.url));
let made = 0;

/** The reason why these tests cannot run on this machine, or undefined. */
export function missingFor(programs: readonly string[]): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux only';
  if (process.getuid?.() !== 0) return 'root is needed for network namespaces';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  const missing = ['ip', ...programs].filter((program) => installed(program) === undefined);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}

/** Host `a` runs our core, host `b` another implementation. It owns the namespaces, a directory for files such as keys,
 *  and the processes that it starts. */
export class TwoHosts {
  /** For files such as keys. */
  readonly directory = mkdtempSync(path.join(tmpdir(), 'underpass-interop-'));
  readonly #prefix = `up${process.pid}n${made++}`;
  readonly #children: ChildProcess[] = [];
  #sockets: ChildProcess | undefined;

  constructor() {
    const [a, b] = [this.namespace('a'), this.namespace('b')];
    ip('netns', 'add', a);
    ip('netns', 'add', b);
    ip('-n', a, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', b);
    for (const host of ['a', 'b'] as const) {
      const namespace = this.namespace(host);
      ip('-n', namespace, 'address', 'add', `${ADDRESSES[host].ipv4}/24`, 'dev', 'cable');
      ip('-n', namespace, 'address', 'add', `${ADDRESSES[host].ipv6}/64`, 'dev', 'cable', 'nodad');
      ip('-n', namespace, 'link', 'set', 'cable', 'up');
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
  }

  namespace(host: Host): string {
    return `${this.#prefix}${host}`;
  }
  /** An interface name that no other test uses, because some programs have one control socket for each name. */
  get interfaceName(): string {
    return this.#prefix;
  }

  /** Runs a program until it exits. @returns its output */
  run(host: Host, program: string, ...parameters: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace(host), program, ...parameters], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Starts a program, which is killed on close. */
  start(host: Host, program: string, ...parameters: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.namespace(host), program, ...parameters]);
    this.#children.push(child);
    return child;
  }

  /** Opens a UDP socket on host `a` for this process. */
  async openSocket(address: string, port = 0): Promise<Socket> {
    this.#sockets ??= spawn('ip', ['netns', 'exec', this.namespace('a'), process.execPath, HELPER], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#sockets.send({ address, port });
    const [message, socket] = (await once(this.#sockets, 'message')) as [{ error?: string }, Socket];
    if (message.error !== undefined) throw new Error(message.error);
    return socket;
  }

  destroy(): void {
    this.#sockets?.kill('SIGKILL');
    for (const child of this.#children) child.kill('SIGKILL');
    for (const host of ['a', 'b'] as const) ip('netns', 'delete', this.namespace(host));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function ip(...parameters: string[]): void {
  execFileSync('ip', parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
}
