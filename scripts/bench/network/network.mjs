// The network between the two sides of a tunnel: two network namespaces joined by a virtual cable, or loopback without
// root.

import { execFileSync } from 'node:child_process';
import { atEnd } from '../at-end.mjs';

const ADDRESSES = { client: '192.0.2.1', relay: '192.0.2.2' };
const PREFIX = 'underpass-bench';
const CABLE = 'cable';
/** Closed connections keep their ports for a minute. Without these, many short connections spend their time looking for
 *  a free one. */
const SETTINGS = { 'net.ipv4.ip_local_port_range': '1024 65535', 'net.ipv4.tcp_tw_reuse': '1' };
let made = 0;

/** Two hosts in namespaces of their own. They exist until `remove`, or until the run ends. */
class Namespaces {
  address = ADDRESSES;
  #prefix = `${PREFIX}-${process.pid}-${made++}`;
  #removals = [];

  constructor() {
    for (const side of ['client', 'relay']) {
      const name = this.namespace(side);
      ip('netns', 'add', name);
      this.#removals.push(atEnd(() => ip('netns', 'delete', name)));
      for (const [setting, value] of Object.entries(SETTINGS))
        this.run(side, 'sysctl', '-qw', `${setting}=${value}`);
    }
    const [near, far] = [this.namespace('client'), this.namespace('relay')];
    ip('-n', near, 'link', 'add', CABLE, 'type', 'veth', 'peer', 'name', CABLE, 'netns', far);
    for (const [side, address] of Object.entries(ADDRESSES)) {
      const name = this.namespace(side);
      ip('-n', name, 'address', 'add', `${address}/24`, 'dev', CABLE);
      ip('-n', name, 'link', 'set', CABLE, 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
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

  remove() {
    for (const remove of this.#removals) remove();
  }
}

/** Both sides on this machine's loopback. */
class Loopback {
  address = { client: '127.0.0.1', relay: '127.0.0.1' };

  command(_side, program, parameters) {
    return [program, parameters];
  }

  remove() {}
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

export function createNetwork(hasNamespaces) {
  return hasNamespaces ? new Namespaces() : new Loopback();
}

function ip(...parameters) {
  execFileSync('ip', parameters, { stdio: 'pipe' });
}
