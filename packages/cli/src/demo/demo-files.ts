/** The keys and config files of the demo. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CliError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { writeKeyFile } from '../key-file.js';
import { clampPrivateKey, encodeKey, KEY_BYTES } from '../key-text.js';
import { publicKeyOf } from '../public-key.js';
import { writeFileWhole } from '../write-file.js';

/** A temporary directory, which only this user can open, with two new keys and the configs that use them. It keeps the
 *  public keys; the private ones exist only in their files, for the relay and the client to read. The demo calls
 *  `remove` at the end. */
export class DemoFiles {
  readonly relayPublicKey: Uint8Array;
  readonly clientPublicKey: Uint8Array;
  readonly #directory: string;

  /** @throws CliError when the directory cannot be created */
  constructor() {
    try {
      this.#directory = mkdtempSync(path.join(tmpdir(), 'underpass-demo-')); // created with mode 0700
    } catch (error) {
      const message = `cannot create a temporary directory in ${tmpdir()}: ${systemReason(error)}`;
      throw new CliError(ExitCode.failure, message, 'set TMPDIR to a writable directory', {
        cause: error,
      });
    }
    this.relayPublicKey = newKeyFile(this.#pathOf('relay.key'));
    this.clientPublicKey = newKeyFile(this.#pathOf('client.key'));
  }

  /** @returns the path of relay.toml, whose only rule lets the client reach that port of this machine */
  writeRelayConfig(servicePort: number): string {
    return this.#write(
      'relay.toml',
      `listen = "127.0.0.1:0"
private_key_file = "relay.key"

[[peer]]
name = "demo-client"
public_key = "${encodeKey(this.clientPublicKey)}"
allow = ["127.0.0.1:${servicePort}"]
`,
    );
  }

  /** @returns the path of client.toml */
  writeClientConfig(relayPort: number, servicePort: number): string {
    return this.#write(
      'client.toml',
      `relay = "127.0.0.1:${relayPort}"
relay_public_key = "${encodeKey(this.relayPublicKey)}"
private_key_file = "client.key"
local_forwards = ["127.0.0.1:0:127.0.0.1:${servicePort}"]
`,
    );
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #write(name: string, text: string): string {
    const file = this.#pathOf(name);
    writeFileWhole(file, text, { mode: 0o600 });
    return file;
  }

  #pathOf(name: string): string {
    return path.join(this.#directory, name);
  }
}

/** @returns the public half of the new key */
function newKeyFile(file: string): Uint8Array {
  const key = randomBytes(KEY_BYTES);
  clampPrivateKey(key);
  writeKeyFile(file, key);
  const publicKey = publicKeyOf(key);
  key.fill(0);
  return publicKey;
}
