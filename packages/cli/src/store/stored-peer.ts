/** Reads a relay's store: its invites, and the peers that enrolled (spec enrolment 6). */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { CliError, ConfigError, systemReason } from '../cli-error.js';
import { isPeerName, presharedKeyFileField, publicKeyField } from '../config/fields.js';
import { KeyFiles } from '../config/key-files.js';
import { type PeerRules, peerRulesOf, peerRulesShape } from '../config/peer-rules.js';
import { problemLines, schemaProblems } from '../config/schema-problems.js';
import { readTomlDocument } from '../config/toml-document.js';
import { ExitCode } from '../exit-code.js';
import { NAME_WORDS } from '../limits.js';
import { CONNECTED_FILE, ENROLLED_FILE, PEER_FILE } from './store-files.js';

/** One directory of the store. Its preshared keys belong to the caller, who wipes them. */
export interface StoredPeer extends PeerRules {
  readonly name: string;
  readonly invite: StoredInvite;
  /** Undefined while the invite is open. */
  readonly enrolled: EnrolledKeys | undefined;
  /** Whether the peer has connected with its own key. */
  readonly hasConnected: boolean;
}

export interface StoredInvite {
  /** The public half of the one-time key in the link. */
  readonly publicKey: Uint8Array;
  readonly presharedKey: Uint8Array;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
}

export interface EnrolledKeys {
  readonly publicKey: Uint8Array;
  readonly presharedKey: Uint8Array;
}

export function wipeStoredPeer({ invite, enrolled }: StoredPeer): void {
  invite.presharedKey.fill(0);
  enrolled?.presharedKey.fill(0);
}

/** Reads the whole store. A store that does not exist is empty.
 *  @throws ConfigError with everything that is wrong in it: a mistake here could grant access, so it is never skipped */
export function loadStore(directory: string): StoredPeer[] {
  const problems: string[] = [];
  const peers: StoredPeer[] = [];
  const reader = new PeerReader();
  for (const name of namesIn(directory)) {
    try {
      const peer = loadStoredPeer(directory, name, reader);
      if (peer !== undefined) peers.push(peer);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      problems.push(...(error instanceof ConfigError ? error.problems : [error.message]));
    }
  }
  if (problems.length === 0) return peers;
  for (const peer of peers) wipeStoredPeer(peer);
  throw new ConfigError(problems);
}

/** @returns undefined when there is no such peer or invite
 *  @throws CliError when it cannot be read, ConfigError with what is wrong in its files */
export function loadStoredPeer(
  directory: string,
  name: string,
  reader = new PeerReader(),
): StoredPeer | undefined {
  const folder = path.join(directory, name);
  if (!existsSync(folder)) return undefined;
  if (!isPeerName(name)) {
    throw new ConfigError([`${folder}:1: not a peer's name: expected ${NAME_WORDS}`]);
  }
  try {
    if (!existsSync(path.join(folder, PEER_FILE))) {
      throw new ConfigError([
        `${folder}:1: found no ${PEER_FILE} in it: restore that file, or remove the directory`,
      ]);
    }
    return reader.read(folder, name);
  } catch (error) {
    // It was removed while it was read.
    if (error instanceof CliError && !existsSync(folder)) return undefined;
    throw error;
  }
}

/** The names of the peers and invites, in order. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new CliError(
      ExitCode.config,
      `cannot read the relay's store ${directory}: ${systemReason(error)}`,
      'it must be a directory that the relay may read, or not exist',
      { cause: error },
    );
  }
}

/** Reads the files of stored peers. One reader serves for many, because making a schema costs more than reading a file
 *  with it. */
class PeerReader {
  readonly #keyFiles = new KeyFiles();
  readonly #peer;
  readonly #enrolled;

  constructor() {
    const keyFileField = presharedKeyFileField(this.#keyFiles);
    const inviteShape = {
      public_key: publicKeyField,
      preshared_key_file: keyFileField,
      expires: z.date({ error: 'a date and time, for example 2026-01-31T12:00:00Z' }),
    };
    this.#peer = z.strictObject(
      { ...peerRulesShape, invite: z.strictObject(inviteShape, { error: 'a table [invite]' }) },
      { error: 'a table' },
    );
    this.#enrolled = z.strictObject(
      { public_key: publicKeyField, preshared_key_file: keyFileField },
      { error: 'a table' },
    );
  }

  /** @throws CliError when a file cannot be read, ConfigError with what is wrong in one */
  read(folder: string, name: string): StoredPeer {
    return this.#keyFiles.wipeUnlessAccepted(() => this.#read(folder, name));
  }

  #read(folder: string, name: string): StoredPeer {
    const table = this.#readTable(path.join(folder, PEER_FILE), this.#peer);
    const { invite } = table;
    return {
      name,
      ...peerRulesOf(table),
      invite: {
        publicKey: invite.public_key,
        presharedKey: invite.preshared_key_file,
        expiresAtMs: invite.expires.getTime(),
      },
      enrolled: this.#readEnrolled(path.join(folder, ENROLLED_FILE)),
      hasConnected: existsSync(path.join(folder, CONNECTED_FILE)),
    };
  }

  /** An empty file is what a crash leaves on a file system without links: nobody has enrolled. */
  #readEnrolled(file: string): EnrolledKeys | undefined {
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0) return undefined;
    const table = this.#readTable(file, this.#enrolled);
    return { publicKey: table.public_key, presharedKey: table.preshared_key_file };
  }

  #readTable<T extends z.ZodMiniType>(file: string, schema: T): z.output<T> {
    const document = readTomlDocument(file);
    this.#keyFiles.directory = document.directory;
    const result = schema.safeParse(document.value);
    if (result.success) return result.data;
    throw new ConfigError(problemLines(document, schemaProblems(document, schema, result.error.issues)));
  }
}
