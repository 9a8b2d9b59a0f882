// Two hosts: two network namespaces, joined by a virtual cable or by a link with a rate, loss and delay.

import { execFileSync } from 'node:child_process';
import { atEnd } from '../at-end.mjs';
import { startEmulator } from './emulator.mjs';

const ADDRESSES = { client: '192.0.2.1', relay: '192.0.2.2' };
const SIDES = ['client', 'relay'];
const PREFIX = 'underpass-bench';
const INTERFACE = 'cable';
/** Closed connections keep their ports for a minute. Without these, many short connections spend their time looking for
 *  a free one. */
const SETTINGS = { 'net.ipv4.ip_local_port_range': '1024 65535', 'net.ipv4.tcp_tw_reuse': '1' };
const CONGESTION = 'net.ipv4.tcp_congestion_control';
let made = 0;

/** Exists until `remove`, or until the run ends. */
export class Namespaces {
  address = ADDRESSES;
  #prefix = `${PREFIX}-${process.pid}-${made++}`;
  #removals = [];
  #emulator;

  /** @param link  see `LinkScenario` in scenarios/links.mjs; undefined for a cable
   *  @param congestion  what the kernel's TCP is to use */
  static async create({ link, congestion }) {
    const network = new Namespaces(congestion);
    const names = SIDES.map((side) => network.namespace(side));
    if (link === undefined) {
      const [near, far] = names;
      ip('-n', near, 'link', 'add', INTERFACE, 'type', 'veth', 'peer', 'name', INTERFACE, 'netns', far);
    } else network.#emulator = await startEmulator(names, INTERFACE, link);
    for (const [side, address] of Object.entries(ADDRESSES)) {
      const name = network.namespace(side);
      ip('-n', name, 'address', 'add', `${address}/24`, 'dev', INTERFACE);
      ip('-n', name, 'link', 'set', INTERFACE, 'up');
    }
    return network;
  }

  constructor(congestion) {
    for (const side of SIDES) {
      const name = this.namespace(side);
      ip('netns', 'add', name);
      this.#removals.push(atEnd(() => ip('netns', 'delete', name)));
      ip('-n', name, 'link', 'set', 'lo', 'up');
      for (const setting of Object.entries(SETTINGS)) this.#set(side, ...setting);
      // A namespace may only use what the machine permits.
      if (mayUse(congestion)) this.#set(side, CONGESTION, congestion);
    }
  }

  namespace(side) {
    return `${this.#prefix}-${side}`;
  }

  /** @returns the command and parameters that run a program on that side */
  command(side, program, parameters) {
    return ['ip', ['netns', 'exec', this.namespace(side), program, ...parameters]];
  }

  /** Runs a program until it exits. @returns its output */
  run(side, program, ...parameters) {
    return execFileSync(...this.command(side, program, parameters), { encoding: 'utf8', stdio: 'pipe' });
  }

  async remove() {
    await this.#emulator?.stop();
    for (const remove of this.#removals) remove();
  }

  #set(side, name, value) {
    this.run(side, 'sysctl', '-qw', `${name}=${value}`);
  }
}

/** @returns why namespaces cannot be made here, or undefined */
export function missingForNamespaces() {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only';
  if (process.getuid() !== 0) return 'network namespaces need root';
  const name = `${PREFIX}-${process.pid}-try`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'delete', name);
    return undefined;
  } catch (error) {
    return `ip netns does not work here (${String(error.stderr ?? error.message).trim()})`;
  }
}

/** @returns what the kernel's TCP uses between the hosts if `wanted` is asked for */
export function congestionFor(wanted) {
  return mayUse(wanted) ? wanted : sysctl(CONGESTION);
}

function mayUse(congestion) {
  return sysctl('net.ipv4.tcp_allowed_congestion_control').split(' ').includes(congestion);
}

function sysctl(name) {
  return execFileSync('sysctl', ['-n', name], { encoding: 'utf8' }).trim();
}

function ip(...parameters) {
  execFileSync('ip', parameters, { stdio: 'pipe' });
}
