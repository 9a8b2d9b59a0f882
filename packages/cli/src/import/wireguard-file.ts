/** Reads the file that `wg setconf` and `wg-quick` read; wg(8), wg-quick(8). */
import { ConfigError } from '../cli-error.js';
import { isPeerName } from '../config/fields.js';
import { type HostPort, parseHostPort } from '../host-port.js';
import { clampPrivateKey, decodeKey, decodeKeyBytes } from '../key-text.js';

/** What Underpass can use of it. The keys belong to the caller, who wipes the secret ones. */
export interface WireguardFile {
  readonly privateKey: Uint8Array;
  readonly listenPort: number | undefined;
  readonly peers: readonly WireguardPeer[];
  /** Keys of the file that have no meaning here, such as `AllowedIPs`, as they are written. */
  readonly unused: readonly string[];
}

export interface WireguardPeer {
  /** From a comment at its `[Peer]`; otherwise undefined. */
  readonly name: string | undefined;
  readonly publicKey: Uint8Array;
  readonly presharedKey: Uint8Array | undefined;
  readonly endpoint: HostPort | undefined;
  readonly keepaliveSeconds: number | undefined;
}

export function wipeWireguardFile({ privateKey, peers }: WireguardFile): void {
  privateKey.fill(0);
  for (const { presharedKey } of peers) presharedKey?.fill(0);
}

const HASH = 0x23;
const EQUALS = 0x3d;

/** One `NAME = VALUE` line. The value stays bytes, because it may be a secret, which a string would keep. */
interface Setting {
  readonly line: number;
  readonly value: Uint8Array;
}

interface Section {
  readonly line: number;
  readonly kind: 'interface' | 'peer';
  readonly settings: Map<string, Setting>;
  comment: string;
}

/** @param file  for messages
 *  @throws ConfigError with the line of what is wrong */
export function parseWireguardFile(file: string, bytes: Uint8Array): WireguardFile {
  const sections = sectionsIn(file, bytes);
  const own = sections.filter(({ kind }) => kind === 'interface');
  const peers = sections.filter(({ kind }) => kind === 'peer');
  const [first] = own;
  if (first === undefined || own.length > 1) {
    throw problem(file, own[1]?.line ?? 1, `found ${own.length} sections [Interface], expected one`);
  }
  const reader = new SectionReader(file);
  const privateKey = reader.secret(first, 'PrivateKey');
  if (privateKey === undefined) throw problem(file, first.line, 'PrivateKey: found nothing, expected a key');
  clampPrivateKey(privateKey); // as WireGuard does; the public key stays the same
  return {
    privateKey,
    listenPort: reader.number(first, 'ListenPort', 65_535),
    peers: peers.map((section) => {
      const publicKey = reader.publicKey(section, 'PublicKey');
      return {
        name: nameIn(section.comment),
        publicKey,
        presharedKey: reader.secret(section, 'PresharedKey'),
        endpoint: reader.endpoint(section, 'Endpoint'),
        keepaliveSeconds: reader.number(section, 'PersistentKeepalive', 65_535),
      };
    }),
    unused: reader.unused(sections),
  };
}

/** Names are without case in this format. */
class SectionReader {
  readonly #file: string;
  readonly #used = new Set<string>();

  constructor(file: string) {
    this.#file = file;
  }

  /** The text of a value that is no secret. */
  #text(section: Section, name: string): { readonly line: number; readonly text: string } | undefined {
    const setting = this.#setting(section, name);
    return setting && { line: setting.line, text: new TextDecoder().decode(setting.value) };
  }

  #setting(section: Section, name: string): Setting | undefined {
    this.#used.add(name.toLowerCase());
    return section.settings.get(name.toLowerCase());
  }

  secret(section: Section, name: string): Uint8Array | undefined {
    const setting = this.#setting(section, name);
    if (setting === undefined) return undefined;
    const key = decodeKeyBytes(setting.value);
    if (key !== undefined) return key;
    throw problem(this.#file, setting.line, `${name}: expected a key of 44 characters of base64 (not shown)`);
  }

  publicKey(section: Section, name: string): Uint8Array {
    const found = this.#text(section, name);
    const key = found && decodeKey(found.text);
    if (key !== undefined) return key;
    throw problem(
      this.#file,
      found?.line ?? section.line,
      `${name}: expected a key of 44 characters of base64`,
    );
  }

  endpoint(section: Section, name: string): HostPort | undefined {
    const found = this.#text(section, name);
    if (found === undefined) return undefined;
    const endpoint = parseHostPort(found.text);
    if (endpoint !== undefined) return endpoint;
    throw problem(this.#file, found.line, `${name}: expected HOST:PORT, IPv6 in brackets`);
  }

  /** `off` is what WireGuard writes for 0. */
  number(section: Section, name: string, highest: number): number | undefined {
    const found = this.#text(section, name);
    if (found === undefined || found.text === 'off') return undefined;
    const number = /^\d{1,5}$/.test(found.text) ? Number(found.text) : Number.NaN;
    if (number <= highest) return number === 0 ? undefined : number;
    throw problem(this.#file, found.line, `${name}: expected a number from 0 to ${highest}`);
  }

  /** The names of all settings that nothing has asked for. */
  unused(sections: readonly Section[]): string[] {
    const names = sections.flatMap(({ settings }) => [...settings.keys()]);
    return [...new Set(names.filter((name) => !this.#used.has(name)))].map((name) => SPELLINGS[name] ?? name);
  }
}

/** How WireGuard's manuals write the names that have no meaning here. */
const SPELLINGS: Readonly<Record<string, string>> = Object.fromEntries(
  'Address AllowedIPs DNS FwMark MTU PostDown PostUp PreDown PreUp SaveConfig Table'
    .split(' ')
    .map((name) => [name.toLowerCase(), name]),
);

function sectionsIn(file: string, bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  let comment = '';
  let line = 0;
  for (const raw of linesIn(bytes)) {
    line++;
    const hash = raw.indexOf(HASH);
    const content = trimmed(hash === -1 ? raw : raw.subarray(0, hash));
    const section = sections.at(-1);
    if (hash !== -1 && content.length === 0) {
      comment = new TextDecoder().decode(raw.subarray(hash + 1)).trim();
      // Some programs write the name above `[Peer]`, some below it.
      if (section?.kind === 'peer' && section.settings.size === 0) section.comment ||= comment;
    }
    if (content.length === 0) continue;
    const equals = content.indexOf(EQUALS);
    if (equals === -1) sections.push(sectionOf(file, line, content, comment));
    else if (section === undefined)
      throw problem(file, line, 'expected [Interface] or [Peer] before settings');
    else {
      const name = new TextDecoder().decode(trimmed(content.subarray(0, equals))).toLowerCase();
      section.settings.set(name, { line, value: trimmed(content.subarray(equals + 1)) });
    }
    comment = '';
  }
  return sections;
}

/** A line without `=` that is not a section may be a key, so it is not shown. */
function sectionOf(file: string, line: number, content: Uint8Array, comment: string): Section {
  const text = content.length <= 16 ? new TextDecoder().decode(content).toLowerCase() : '';
  const kind = { '[interface]': 'interface', '[peer]': 'peer' } as const;
  const found = text === '[interface]' || text === '[peer]' ? kind[text] : undefined;
  if (found !== undefined) return { line, kind: found, settings: new Map(), comment };
  throw problem(file, line, 'expected [Interface], [Peer] or NAME = VALUE: is this a WireGuard file?');
}

/** `# laptop`, `# Name = laptop`, `# Client: laptop (…)` */
function nameIn(comment: string): string | undefined {
  const [word = ''] = comment.replace(/^[\w ]+[:=]\s*/, '').split(/[\s,(]/, 1);
  return isPeerName(word) ? word : undefined;
}

function* linesIn(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
    yield bytes.subarray(start, end);
    start = end + 1;
  }
  yield bytes.subarray(start);
}

function trimmed(bytes: Uint8Array): Uint8Array {
  let start = 0;
  let end = bytes.length;
  while (start < end && isBlank(bytes[start])) start++;
  while (end > start && isBlank(bytes[end - 1])) end--;
  return bytes.subarray(start, end);
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}

function problem(file: string, line: number, text: string): ConfigError {
  return new ConfigError([`${file}:${line}: ${text}`]);
}
