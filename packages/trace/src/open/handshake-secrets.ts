/** Reads a key log in Wireshark's format (spec session 9). */
import { type CryptoSuite, KEY_BYTES } from '@underpass/protocol';
import { bytesFromBase64 } from './base64.js';

/** What one side of a handshake knew. All keys have 32 bytes. */
export interface HandshakeSecrets {
  readonly localStaticPrivate: Uint8Array;
  readonly remoteStaticPublic: Uint8Array;
  readonly localEphemeralPrivate: Uint8Array;
  readonly localEphemeralPublic: Uint8Array;
  /** All zero if there is none. */
  presharedKey: Uint8Array;
}

const LINE = /^\s*(?<name>[A-Z_]+)\s*=\s*(?<key>[A-Za-z0-9+/]{43}=)\s*$/;

/** Puts the lines of a key log together.
 *
 *  Each handshake has a line for each of its keys. The line of the ephemeral key completes a handshake, except that the
 *  preshared key may follow. Lines in another form are ignored, as Wireshark does. */
export class KeyLogReader {
  readonly #suite: CryptoSuite;
  readonly #onSecrets: (secrets: HandshakeSecrets) => void;
  #localStatic: Uint8Array | undefined;
  #remoteStatic: Uint8Array | undefined;
  #newest: HandshakeSecrets | undefined;

  constructor(suite: CryptoSuite, onSecrets: (secrets: HandshakeSecrets) => void) {
    this.#suite = suite;
    this.#onSecrets = onSecrets;
  }

  /** The static private key of the newest line that states one. */
  get localStaticPrivate(): Uint8Array | undefined {
    return this.#localStatic;
  }

  handleLine(line: string): void {
    const { name, key: text } = LINE.exec(line)?.groups ?? {};
    const key = text === undefined ? undefined : bytesFromBase64(text);
    if (key?.length !== KEY_BYTES) return;
    if (name === 'LOCAL_STATIC_PRIVATE_KEY') this.#localStatic = key;
    else if (name === 'REMOTE_STATIC_PUBLIC_KEY') this.#remoteStatic = key;
    else if (name === 'LOCAL_EPHEMERAL_PRIVATE_KEY') this.#complete(key);
    else if (name === 'PRESHARED_KEY' && this.#newest !== undefined) this.#newest.presharedKey = key;
  }

  #complete(localEphemeralPrivate: Uint8Array): void {
    if (this.#localStatic === undefined || this.#remoteStatic === undefined) return;
    this.#newest = {
      localStaticPrivate: this.#localStatic,
      remoteStaticPublic: this.#remoteStatic,
      localEphemeralPrivate,
      localEphemeralPublic: this.#suite.x25519PublicKey(localEphemeralPrivate),
      presharedKey: new Uint8Array(KEY_BYTES),
    };
    this.#onSecrets(this.#newest);
  }
}
