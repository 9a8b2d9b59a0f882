/** The relays at which this user has enrolled: a client config for each, with its keys (spec enrolment 5). */
import { createHash, randomFillSync } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { formatTarget, type InviteLink, looksLikeInviteLink } from '@underpass/forward';
import { CliError, systemReason, usageError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { requireUnchangedByOthers } from '../file-trust.js';
import { readPrivateKeyFile, writeKeyFile, writeKeyWhole } from '../key-file.js';
import { clampPrivateKey, decodeKey, encodeKey, isSameKey, KEY_BYTES } from '../key-text.js';
import { makeDirectory } from '../make-directory.js';
import { writeFileWhole } from '../write-file.js';
import { closestName } from './closest-name.js';
import { savedRelaysDirectory } from './default-paths.js';
import { isPeerName } from './fields.js';
import { valueAt } from './schema-problems.js';
import { readTomlDocument } from './toml-document.js';

export interface SavedRelay {
  readonly name: string;
  /** The path of its client config. */
  readonly file: string;
}

/** @throws CliError when there is no relay of that name, or it cannot be a name */
export function savedRelay(name: string, directory = savedRelaysDirectory()): SavedRelay {
  const file = fileOf(directory, name);
  if (looksLikeInviteLink(name)) {
    throw usageError(
      "the link of an invite is given instead of a saved relay's name",
      'enrol with it first: underpass client LINK',
    );
  }
  if (!isPeerName(name)) {
    throw usageError(
      `'${name}' is neither a link nor the name of a saved relay`,
      'the link of an invite starts with underpass://',
    );
  }
  if (existsSync(file)) return { name, file };
  const names = savedNames(directory);
  const closest = closestName(name, names);
  throw new CliError(
    ExitCode.config,
    `this machine knows no relay named ${name}`,
    closest !== undefined
      ? `did you mean ${closest}?`
      : names.length > 0
        ? `it knows ${names.join(', ')}; underpass client LINK enrols at another`
        : 'enrol at one first, with a link: underpass client LINK',
  );
}

/** The saved relay with this public key. A config that cannot be read is not one. */
export function savedRelayWithKey(
  publicKey: Uint8Array,
  directory = savedRelaysDirectory(),
): SavedRelay | undefined {
  for (const name of savedNames(directory)) {
    const file = fileOf(directory, name);
    try {
      const text = valueAt(readTomlDocument(file).value, ['relay_public_key']);
      const key = typeof text === 'string' ? decodeKey(text) : undefined;
      if (key !== undefined && isSameKey(key, publicKey)) return { name, file };
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
    }
  }
  return undefined;
}

/** The key of a client that enrols: the one that an earlier attempt with the same link has kept, or a new one, which is
 *  kept now. So an answer that was lost is not lost for good (spec enrolment 5.1).
 *  @returns the private key; the caller wipes it
 *  @throws CliError when the relay could not be saved here, while the link is still good (spec enrolment 5.2) */
export function keyForEnrolment({ secret }: InviteLink, directory = savedRelaysDirectory()): Uint8Array {
  makeAcceptable(directory);
  const file = pendingKeyFile(secret, directory);
  if (existsSync(file)) return readPrivateKeyFile(file);
  const key = new Uint8Array(new ArrayBuffer(KEY_BYTES));
  randomFillSync(key);
  clampPrivateKey(key);
  writeKeyFile(file, key);
  return key;
}

/** Forgets that key, because the link is used up. */
export function forgetKeyForEnrolment({ secret }: InviteLink, directory = savedRelaysDirectory()): void {
  rmSync(pendingKeyFile(secret, directory), { force: true });
}

export interface RelayToSave {
  readonly name: string;
  readonly link: InviteLink;
  readonly privateKey: Uint8Array;
  readonly presharedKey: Uint8Array;
}

/** Saves a relay. The config is written last: without it, the keys are leftovers, which the next attempt replaces.
 *  @returns undefined if the name is taken
 *  @throws CliError when something cannot be written */
export function saveRelay(
  { name, link, privateKey, presharedKey }: RelayToSave,
  directory = savedRelaysDirectory(),
): SavedRelay | undefined {
  const file = fileOf(directory, name);
  if (existsSync(file)) return undefined;
  try {
    writeKeyWhole(path.join(directory, `${name}.key`), privateKey, { replace: true });
    writeKeyWhole(path.join(directory, `${name}.psk`), presharedKey, { replace: true });
    writeFileWhole(file, configText(name, link), { mode: 0o600 });
  } catch (error) {
    throw cannotWrite(file, error);
  }
  return { name, file };
}

function configText(name: string, { endpoint, relayPublicKey }: InviteLink): string {
  return `# A relay at which this client has enrolled. To connect: underpass client ${name}

relay = ${JSON.stringify(formatTarget(endpoint))}
relay_public_key = "${encodeKey(relayPublicKey)}"
private_key_file = "${name}.key"
preshared_key_file = "${name}.psk"

# Forwards that are opened each time, besides those of the command line.
# local_forwards = ["8080:localhost:80"]
`;
}

/** How many names a message lists. */
const MAX_NAMED = 8;

/** A command needs a relay, and none is given.
 *  @param others  the other ways to give one */
export function noRelayGiven(others: string, directory = savedRelaysDirectory()): CliError {
  const names = savedNames(directory);
  const named = [...names.slice(0, MAX_NAMED), ...(names.length > MAX_NAMED ? ['…'] : [])].join(', ');
  return usageError(
    'no relay is given',
    `give the name of a saved relay${names.length === 0 ? '' : ` (${named})`}, ${others}`,
  );
}

/** The names of all saved relays, in order. */
export function savedNames(directory = savedRelaysDirectory()): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((entry) => entry.endsWith('.toml'))
    .map((entry) => path.basename(entry, '.toml'))
    .filter(isPeerName)
    .sort();
}

function fileOf(directory: string, name: string): string {
  return path.join(directory, `${name}.toml`);
}

/** The name says which link it belongs to, and nothing about the secret. */
function pendingKeyFile(secret: Uint8Array, directory: string): string {
  const hash = createHash('sha256').update('underpass pending enrolment').update(secret).digest('hex');
  return path.join(directory, `.enrolling-${hash.slice(0, 16)}.key`);
}

/** Makes the directory, and refuses it if a config in it would be refused later. */
function makeAcceptable(directory: string): void {
  try {
    makeDirectory(directory, 0o700);
  } catch (error) {
    throw cannotWrite(directory, error);
  }
  requireUnchangedByOthers(directory, statSync(directory), 'the directory of saved relays');
}

function cannotWrite(file: string, error: unknown): CliError {
  return new CliError(
    ExitCode.config,
    `cannot write ${file}: ${systemReason(error)}`,
    'check its directory, and then repeat the command',
    { cause: error },
  );
}
