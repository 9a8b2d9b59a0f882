/** The files of a relay, for tests of the commands that read or change them. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { CliError } from '../../src/cli-error.js';
import { relaySocketName } from '../../src/control/control-name.js';
import { startControlServer } from '../../src/control/control-server.js';
import type { RelayReport } from '../../src/control/relay-report.js';
import { ExitCode } from '../../src/exit-code.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { addEnrolled, addInvite } from '../../src/store/store-changes.js';
import { loadStore, type StoredPeer } from '../../src/store/stored-peer.js';
import { invite, publicKey, rules } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';

export const RELAY_KEY = new Uint8Array(32).fill(0x48);

/** @returns the path of relay.toml, with the peer `server`; in its store are the invite `laptop` and the peer `phone`,
 *    which have expired at `expiresAtMs` */
export function relayFilesWith(expiresAtMs: number, more = '', listen = '51820'): string {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'relay.toml');
  writeKeyFile(path.join(directory, 'relay.key'), RELAY_KEY);
  const server = `\n[[peer]]\nname = "server"\npublic_key = "${encodeKey(publicKey(0x50))}"\nallow = []\n`;
  writeFileSync(file, `listen = "${listen}"\nprivate_key_file = "relay.key"\n${more}${server}`);
  const store = path.join(directory, 'relay.d');
  addInvite(store, 'laptop', { allow: rules('localhost:80', 'db:5432') }, invite(expiresAtMs));
  const maxRate = { text: '10 MB/s', bytesPerSecond: 10e6 };
  addInvite(store, 'phone', { allow: rules('localhost:22'), maxRate }, invite(expiresAtMs));
  addEnrolled(store, 'phone', {
    publicKey: publicKeyOf(new Uint8Array(32).fill(0x42)),
    presharedKey: new Uint8Array(32).fill(9),
  });
  return file;
}

/** The peer or invite of that name in the store of the relay. */
export function storedBy(file: string, name: string): StoredPeer | undefined {
  return loadStore(file.replace(/toml$/, 'd')).find((peer) => peer.name === name);
}

/** Until the test ends, no program of this user seems to run */
export function nobodyRuns(): void {
  vi.stubEnv('RUNTIME_DIRECTORY', undefined);
  vi.stubEnv('XDG_STATE_HOME', temporaryDirectory());
  vi.stubEnv('XDG_RUNTIME_DIR', temporaryDirectory());
  onTestFinished(() => void vi.unstubAllEnvs());
}

/** A running relay, as far as other commands notice.
 *  @param reloads  grows by an entry for each reload
 *  @param refusal  why it cannot reload */
export async function runRelayWith(
  file: string,
  reloads: string[],
  report: Partial<RelayReport> = {},
  refusal?: string,
): Promise<void> {
  const server = await startControlServer(relaySocketName(file), {
    'GET /status': async () => report,
    'POST /reload': async () => {
      reloads.push(file);
      if (refusal !== undefined) throw new CliError(ExitCode.config, refusal);
      return { peers: 1, restartNeeded: [] };
    },
  });
  onTestFinished(() => server.close());
}
