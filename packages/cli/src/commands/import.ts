/** `underpass import`: writes the config of a client or a relay from a WireGuard file. */
import { closeSync, existsSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import path from 'node:path';
import { CliError, systemReason, usageError } from '../cli-error.js';
import { defaultRelayConfigFile, savedRelaysDirectory } from '../config/default-paths.js';
import { isPeerName } from '../config/fields.js';
import { CONFIG_LIMIT_BYTES } from '../config/toml-document.js';
import { ExitCode } from '../exit-code.js';
import { requireSecret } from '../file-trust.js';
import { type ImportPlan, planImport } from '../import/import-plan.js';
import { parseWireguardFile, wipeWireguardFile } from '../import/wireguard-file.js';
import { writeKeyFile } from '../key-file.js';
import { NAME_WORDS } from '../limits.js';
import { makeDirectory } from '../make-directory.js';
import { printLine, requireOutput } from '../terminal.js';
import { writeFileWhole } from '../write-file.js';

export interface ImportFlags {
  readonly as?: string;
  readonly config?: string;
}

export async function runImport(file: string, flags: ImportFlags): Promise<void> {
  const name = flags.as ?? path.basename(file).replace(/\.conf$/, '');
  if (!isPeerName(name)) {
    throw usageError(`'${name}' is not a name for a relay`, `give one of ${NAME_WORDS} with --as`);
  }
  const bytes = readSecretFile(file);
  try {
    const wireguard = parseWireguardFile(file, bytes);
    try {
      const plan = planImport(wireguard, {
        source: path.basename(file),
        clientName: name,
        clientDirectory: savedRelaysDirectory(),
        relayConfig: path.resolve(flags.config ?? defaultRelayConfigFile()),
      });
      writePlan(plan);
      printLine(report(plan, name, wireguard.unused));
    } finally {
      wipeWireguardFile(wireguard);
    }
  } finally {
    bytes.fill(0);
  }
  await requireOutput();
}

/** @throws CliError if others could read it: then its keys are no secrets */
function readSecretFile(file: string): Uint8Array {
  const buffer = new Uint8Array(CONFIG_LIMIT_BYTES + 1);
  try {
    const handle = openSync(file, 'r');
    try {
      requireSecret(file, fstatSync(handle), 'the WireGuard file');
      const length = readSync(handle, buffer);
      if (length <= CONFIG_LIMIT_BYTES) return buffer.subarray(0, length);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      ExitCode.config,
      `cannot read ${file}: ${systemReason(error)}`,
      'give the path of a WireGuard file',
      { cause: error },
    );
  }
  buffer.fill(0);
  throw new CliError(
    ExitCode.config,
    `${file} is larger than ${CONFIG_LIMIT_BYTES} bytes`,
    'is it a WireGuard file?',
  );
}

/** @throws CliError if something cannot be written, or exists already: nothing is replaced then, nor left behind */
export function writePlan({ config, keys }: ImportPlan): void {
  for (const { path: file } of [config, ...keys]) {
    if (!existsSync(file)) continue;
    throw new CliError(
      ExitCode.config,
      `${file} exists, and nothing is replaced`,
      'move it away, or give --as or --config',
    );
  }
  try {
    makeDirectory(path.dirname(config.path), 0o700);
  } catch (error) {
    throw cannotWrite(path.dirname(config.path), error);
  }
  const written: string[] = [];
  try {
    for (const { path: file, key } of keys) {
      writeKeyFile(file, key);
      written.push(file);
    }
    writeFileWhole(config.path, config.text, { mode: 0o600 });
  } catch (error) {
    // They would be in the way of the next attempt.
    for (const file of written) rmSync(file, { force: true });
    throw error instanceof CliError ? error : cannotWrite(config.path, error);
  }
}

function cannotWrite(file: string, error: unknown): CliError {
  return new CliError(
    ExitCode.config,
    `cannot write ${file}: ${systemReason(error)}`,
    'check its directory, and then repeat the command',
    { cause: error },
  );
}

function report({ kind, config, keys }: ImportPlan, name: string, unused: readonly string[]): string {
  const lines = [
    `Wrote ${config.path} and ${keys.length === 1 ? 'a key' : `${keys.length} keys`} beside it.`,
  ];
  if (unused.length > 0) lines.push(`Not copied, because it has no meaning here: ${unused.join(', ')}.`);
  if (kind === 'client') {
    lines.push(
      'The other side has to run an Underpass relay with the same key: a WireGuard program ignores what Underpass sends.',
      '',
      `Now run: underpass client ${name} -L 8080:localhost:80`,
    );
  } else {
    lines.push(
      'AllowedIPs do not say what a peer may reach from here, so each peer may reach nothing yet: fill in its allow.',
      '',
      `Then run: underpass check --config ${config.path}`,
    );
  }
  return lines.join('\n');
}
