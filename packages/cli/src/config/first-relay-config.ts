/** Writes the config of a first `underpass relay`: no peers yet, and a new key. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { CliError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { readPrivateKeyFile, writeKeyFile } from '../key-file.js';
import { clampPrivateKey, KEY_BYTES } from '../key-text.js';
import { makeDirectory } from '../make-directory.js';
import { writeFileWhole } from '../write-file.js';

/** WireGuard's usual port, so that the traffic looks like any other WireGuard. */
export const DEFAULT_RELAY_PORT = 51_820;

export interface FirstRelayConfig {
  /** `[HOST:]PORT` */
  readonly listen?: string;
  /** `HOST:PORT` */
  readonly endpoint?: string;
}

/** Writes `file` and, beside it, `relay.key`, both with mode 0600. An existing key is kept and used.
 *  @throws CliError when something cannot be written */
export function writeFirstRelayConfig(file: string, options: FirstRelayConfig = {}): void {
  const directory = path.dirname(file);
  const keyFile = path.join(directory, 'relay.key');
  try {
    makeDirectory(directory, 0o700);
  } catch (error) {
    throw writeError(directory, error);
  }
  if (existsSync(keyFile)) {
    readPrivateKeyFile(keyFile).fill(0); // fails now rather than when the config is loaded
  } else {
    const key = randomBytes(KEY_BYTES);
    clampPrivateKey(key);
    writeKeyFile(keyFile, key);
    key.fill(0);
  }
  try {
    writeFileWhole(file, firstRelayConfig(options), { mode: 0o600 });
  } catch (error) {
    throw writeError(file, error);
  }
}

function firstRelayConfig({ listen = String(DEFAULT_RELAY_PORT), endpoint }: FirstRelayConfig): string {
  const endpointLine =
    endpoint === undefined
      ? '# endpoint = "relay.example.org:51820"'
      : `endpoint = ${JSON.stringify(endpoint)}`;
  return `# The config of an Underpass relay. Mistakes are reported with their line; SIGHUP reloads it.

# The UDP port, on every address of this machine; "HOST:PORT" for one address.
listen = ${JSON.stringify(listen)}
private_key_file = "relay.key"

# Where clients reach this relay, for the links of underpass invite: by default this machine's public address.
${endpointLine}

# Clients that enrolled with a link are in relay.d, beside this file. Those whose keys were swapped by hand have a
# [[peer]] each here. A client may reach what \`allow\` lists, and nothing else.
#
# [[peer]]
# name = "laptop"
# public_key = "what underpass pubkey prints for the client's key"
# allow = ["localhost:80", "10.0.0.0/8:443", "*.example.org:*"]
`;
}

function writeError(file: string, error: unknown): CliError {
  return new CliError(
    ExitCode.config,
    `cannot write ${file}: ${systemReason(error)}`,
    'choose another place with --config',
    { cause: error },
  );
}
