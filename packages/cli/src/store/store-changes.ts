/** Changes a relay's store. Each change is one rename, or one new file: a crash leaves the store as it was before or as
 *  it is after (spec enrolment 6). */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'smol-toml';
import { CliError, systemReason } from '../cli-error.js';
import { type PeerRules, peerRulesTable } from '../config/peer-rules.js';
import { ExitCode } from '../exit-code.js';
import { writeKeyFile, writeKeyWhole } from '../key-file.js';
import { encodeKey } from '../key-text.js';
import { makeDirectory } from '../make-directory.js';
import { syncDirectory, writeFileWhole } from '../write-file.js';
import {
  CHANGED_FILE,
  CONNECTED_FILE,
  ENROLLED_FILE,
  INVITE_KEY_FILE,
  NEW_PREFIX,
  PEER_FILE,
  REMOVED_PREFIX,
} from './store-files.js';
import type { EnrolledKeys, StoredInvite, StoredPeer } from './stored-peer.js';

/** Leftovers of a crash are deleted when they are this old: a younger one may belong to a command that still runs. */
const LEFTOVER_MS = 3_600_000;

/** Creates the store, unless it exists. Nobody else can look into it. */
export function makeStore(directory: string): void {
  makeDirectory(directory, 0o700);
}

/** Adds an invite. @returns false if the name is taken; nothing has changed then */
export function addInvite(directory: string, name: string, rules: PeerRules, invite: StoredInvite): boolean {
  return change(directory, () => {
    makeStore(directory);
    const folder = path.join(directory, `${NEW_PREFIX}${randomBytes(6).toString('hex')}`);
    mkdirSync(folder, { mode: 0o700 });
    try {
      writeKeyFile(path.join(folder, INVITE_KEY_FILE), invite.presharedKey);
      writeFileWhole(path.join(folder, PEER_FILE), peerFile(rules, invite), { mode: 0o600 });
      renameSync(folder, path.join(directory, name));
      return true;
    } catch (error) {
      if (isTaken(error)) return false;
      throw error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

/** Gives a peer, or an invite, new rules. @returns false if it was removed meanwhile */
export function setRules(directory: string, peer: StoredPeer, rules: PeerRules): boolean {
  return change(directory, () => {
    const file = path.join(directory, peer.name, PEER_FILE);
    try {
      writeFileWhole(file, peerFile(rules, peer.invite), { mode: 0o600, replace: true });
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  });
}

/** Removes a peer or an invite. @returns false if there is none of that name */
export function removeStored(directory: string, name: string): boolean {
  return change(directory, () => {
    const removed = path.join(directory, `${REMOVED_PREFIX}${randomBytes(6).toString('hex')}`);
    try {
      renameSync(path.join(directory, name), removed);
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    syncDirectory(directory);
    rmSync(removed, { recursive: true, force: true });
    return true;
  });
}

/** Makes the invite `name` a peer with these keys.
 *  @returns false if somebody enrolled with it first, or it was removed
 *  @throws the system's error; nobody has enrolled then */
export function addEnrolled(directory: string, name: string, keys: EnrolledKeys): boolean {
  const folder = path.join(directory, name);
  // Another attempt must not overwrite this key, so each has a file of its own.
  const keyFile = `enrolled-${randomBytes(6).toString('hex')}.psk`;
  const enrolled = { public_key: encodeKey(keys.publicKey), preshared_key_file: keyFile };
  const file = path.join(folder, ENROLLED_FILE);
  try {
    if (isEmpty(file)) rmSync(file); // see readEnrolled
    writeKeyWhole(path.join(folder, keyFile), keys.presharedKey);
    writeFileWhole(file, stringify(enrolled), { mode: 0o600 });
    return true;
  } catch (error) {
    rmSync(path.join(folder, keyFile), { force: true });
    if (isMissing(error) || isTaken(error)) return false;
    throw error;
  }
}

/** Remembers that the peer has connected with its own key, if it is one of the store. */
export function noteConnected(directory: string, name: string): void {
  const folder = path.join(directory, name);
  if (!existsSync(path.join(folder, ENROLLED_FILE)) || existsSync(path.join(folder, CONNECTED_FILE))) return;
  try {
    writeFileWhole(path.join(folder, CONNECTED_FILE), '', { mode: 0o600 });
  } catch (error) {
    if (!isMissing(error) && !isTaken(error)) throw error;
  }
}

/** Deletes what commands that were killed left behind. @param nowMs Unix milliseconds */
export function sweepStore(directory: string, nowMs: number): void {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory)) {
    if (!entry.startsWith(NEW_PREFIX) && !entry.startsWith(REMOVED_PREFIX)) continue;
    const leftover = path.join(directory, entry);
    const changedMs = statSync(leftover, { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
    if (nowMs - changedMs > LEFTOVER_MS) rmSync(leftover, { recursive: true, force: true });
  }
}

function peerFile(rules: PeerRules, invite: StoredInvite): string {
  const table = {
    ...peerRulesTable(rules),
    invite: {
      public_key: encodeKey(invite.publicKey),
      preshared_key_file: INVITE_KEY_FILE,
      expires: new Date(invite.expiresAtMs),
    },
  };
  return `# Written by underpass invite, allow and revoke.\n${stringify(table)}`;
}

/** Runs one change, and makes whoever watches the store look at it again. */
function change(directory: string, make: () => boolean): boolean {
  try {
    const isDone = make();
    if (isDone) {
      const word = `${randomBytes(6).toString('hex')}\n`;
      writeFileWhole(path.join(directory, CHANGED_FILE), word, { mode: 0o600, replace: true });
    }
    return isDone;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      ExitCode.config,
      `cannot write in ${directory}: ${systemReason(error)}`,
      'run the command as the user who runs the relay',
      { cause: error },
    );
  }
}

function isEmpty(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.size === 0;
}

function isTaken(error: unknown): boolean {
  return hasCode(error, ['EEXIST', 'ENOTEMPTY']);
}

function isMissing(error: unknown): boolean {
  return hasCode(error, ['ENOENT', 'ENOTDIR']);
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
