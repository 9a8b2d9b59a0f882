/** Two machines joined by a link: network namespaces, each with a home directory of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/underpass.js', import.meta.url));

export class Machines {
  #namespaces = new Map();
  #directory = mkdtempSync(path.join(tmpdir(), 'underpass-record-'));

  constructor() {
    // A directory with the program under its own name, and with node, as an installation would have.
    symlinkSync(PROGRAM, path.join(this.#directory, 'underpass'));
    symlinkSync(process.execPath, path.join(this.#directory, 'node'));
  }

  /** @param addresses  name of a machine -> its IPv4 address; two of them
   *  @param hosts  further names of addresses, as lines of /etc/hosts */
  connect(addresses, hosts) {
    writeFileSync(path.join(this.#directory, 'hosts'), `127.0.0.1 localhost\n${hosts.join('\n')}\n`);
    const [[left, leftAddress], [right, rightAddress]] = Object.entries(addresses);
    for (const name of [left, right]) {
      const namespace = `record-${process.pid}-${name}`;
      ip('netns', 'add', namespace);
      this.#namespaces.set(name, namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    const [a, b] = [left, right].map((name) => this.#namespaces.get(name));
    ip('link', 'add', 'eth0', 'netns', a, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b);
    for (const [namespace, address] of [
      [a, leftAddress],
      [b, rightAddress],
    ]) {
      ip('-n', namespace, 'address', 'add', `${address}/32`, 'dev', 'eth0');
      ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      ip('-n', namespace, 'route', 'add', 'default', 'dev', 'eth0');
    }
  }

  /** The command that opens an interactive shell on a machine. */
  shell(name) {
    const startFile = path.join(this.#directory, `${name}.sh`);
    const hostsFile = path.join(this.#directory, 'hosts');
    writeFileSync(startFile, `PS1='${name}$ '; PATH='${this.#directory}':$PATH; set +m; cd\n`);
    const start = [
      'mount -t tmpfs none /root',
      'mount -t tmpfs none /run',
      `mount --bind '${hostsFile}' /etc/hosts`,
      `exec env -i HOME=/root TERM=xterm-256color PATH="$PATH" bash --noprofile --rcfile '${startFile}' -i`,
    ].join(' && ');
    return `ip netns exec ${this.#namespaces.get(name)} unshare --mount --propagation private sh -c ${quote(start)}`;
  }

  /** Ends every process on the machines, and removes the machines. */
  remove() {
    for (const namespace of this.#namespaces.values()) {
      const pids = ip('netns', 'pids', namespace).trim();
      for (const pid of pids === '' ? [] : pids.split(/\s+/)) kill(Number(pid));
      ip('netns', 'delete', namespace);
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function ip(...words) {
  return execFileSync('ip', words, { encoding: 'utf8' });
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
