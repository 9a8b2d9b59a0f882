// Starts the relays and clients that are measured, and makes their keys.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/underpass.js', import.meta.url));

/** The programs of one measurement. They log JSON lines, which can be waited for, and keep their files in one directory,
 *  apart from what else runs on this machine. */
export class TunnelPrograms {
  #directory;
  #children = new Set();

  /** @param directory  it is there, and only this user can read it */
  constructor(directory) {
    this.#directory = directory;
  }

  /** @returns the file of a new private key, and its public key */
  newKey(name) {
    const file = path.join(this.#directory, `${name}.key`);
    const privateKey = execFileSync(process.execPath, [PROGRAM, 'keygen']);
    writeFileSync(file, privateKey, { mode: 0o600 });
    const publicKey = execFileSync(process.execPath, [PROGRAM, 'pubkey'], { input: privateKey });
    return { file, publicKey: publicKey.toString().trim() };
  }

  /** @param nodeArguments  options of Node itself
   *  @returns the process; `event` waits for a line with that event, past or future, and `stop` for its end */
  start(parameters, nodeArguments = []) {
    const env = { ...process.env, XDG_RUNTIME_DIR: this.#directory, XDG_STATE_HOME: this.#directory };
    const child = spawn(process.execPath, [...nodeArguments, PROGRAM, ...parameters], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#children.add(child);
    const events = [];
    const waiting = new Set();
    const checkAll = () => {
      for (const check of waiting) check();
    };
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.startsWith('{')) events.push(JSON.parse(line));
      else process.stderr.write(`${line}\n`);
      checkAll();
    });
    child.once('exit', checkAll);
    return {
      child,
      pid: child.pid,
      event: (name, matches = () => true) =>
        new Promise((resolve, reject) => {
          const check = () => {
            const found = events.find((event) => event.event === name && matches(event));
            if (found === undefined && child.exitCode === null) return;
            waiting.delete(check);
            if (found === undefined) reject(new Error(`underpass ${parameters[0]} ended before '${name}'`));
            else resolve(found);
          };
          waiting.add(check);
          check();
        }),
      stop: async () => {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
        this.#children.delete(child);
      },
    };
  }

  killAll() {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
