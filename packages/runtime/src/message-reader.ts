/** Reads many messages of a UDP socket with one system call (recvmmsg(2)), where Node makes one for each. */
import type { CLibrary } from './c-library.js';

/** How many messages one call reads at most. */
export const MAX_MESSAGES_READ = 32;
/** The largest message that UDP carries, rounded up. Coalesced ones are nearly as large. */
const MESSAGE_BYTES = 65_536;

// struct mmsghdr, struct iovec and struct cmsghdr on 64-bit Linux. All numbers are little-endian.
const HEADER_BYTES = 64;
const HEADER = { name: 0, nameBytes: 8, parts: 16, partCount: 24, control: 32, controlBytes: 40, flags: 48 };
const RECEIVED_BYTES = 56;
const PART_BYTES = 16;
const NAME_BYTES = 32;
const CONTROL_BYTES = 64;
const CONTROL = { length: 0, level: 8, type: 12, value: 16 };
/** The length of a control message with one int. */
const INT_CONTROL_BYTES = 20;

const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_UDP = 17;
const UDP_GRO = 104;
/** INET6_ADDRSTRLEN, and IF_NAMESIZE. */
const TEXT_BYTES = 64;

/** The functions of the C library that it calls. */
export type ReadingLibrary = Pick<CLibrary, 'recvmmsg' | 'inet_ntop' | 'if_indextoname' | 'addressOf'>;

/** The memory into which messages are read, and what the kernel says about each of them.
 *
 *  The kernel gets the addresses of two blocks that are made once and never move: one for the bytes, and one for the
 *  structures of the call. Nothing that arrives has an influence on either: the kernel cuts off what does not fit, and
 *  every number that it returns is checked before it is used as an index.
 *
 *  All sockets of the process share one reader, because a read is over before the next begins: what the last one brought
 *  is valid until then. A reader takes 2 MiB of address space. Memory is behind it only where something was read. */
export class MessageReader {
  readonly #library: ReadingLibrary;
  readonly #bytes = new Uint8Array(new ArrayBuffer(MAX_MESSAGES_READ * MESSAGE_BYTES));
  readonly #view: DataView<ArrayBuffer>;
  readonly #headers: number;
  readonly #names: number;
  readonly #controls: number;
  readonly #address: bigint;
  #count = 0;
  readonly #sender: SenderName;

  constructor(library: ReadingLibrary) {
    this.#library = library;
    const parts = MAX_MESSAGES_READ * HEADER_BYTES;
    this.#headers = 0;
    this.#names = parts + MAX_MESSAGES_READ * PART_BYTES;
    this.#controls = this.#names + MAX_MESSAGES_READ * NAME_BYTES;
    this.#view = new DataView(new ArrayBuffer(this.#controls + MAX_MESSAGES_READ * CONTROL_BYTES));
    this.#sender = new SenderName(library, this.#view);
    this.#address = library.addressOf(new Uint8Array(this.#view.buffer));
    const bytesAt = library.addressOf(this.#bytes);
    for (let i = 0; i < MAX_MESSAGES_READ; i++) {
      const part = parts + i * PART_BYTES;
      this.#view.setBigUint64(part, bytesAt + BigInt(i * MESSAGE_BYTES), true);
      this.#view.setBigUint64(part + 8, BigInt(MESSAGE_BYTES), true);
      this.#setPointer(i, HEADER.name, this.#names + i * NAME_BYTES);
      this.#setPointer(i, HEADER.parts, part);
      this.#setPointer(i, HEADER.control, this.#controls + i * CONTROL_BYTES);
      this.#view.setUint32(this.#header(i) + HEADER.partCount, 1, true);
    }
  }

  /** Reads messages that have arrived, without waiting.
   *  @param fd  a socket that is open
   *  @param most  how many to read, 1 to MAX_MESSAGES_READ
   *  @returns how many were read. 0 also stands for an error, which the next read of the socket's owner reports */
  read(fd: number, most: number): number {
    for (let i = 0; i < most; i++) {
      const header = this.#header(i);
      this.#view.setUint32(header + HEADER.nameBytes, NAME_BYTES, true);
      this.#view.setUint32(header + HEADER.controlBytes, CONTROL_BYTES, true);
      this.#view.setUint32(this.#controls + i * CONTROL_BYTES, 0, true);
    }
    const count = this.#library.recvmmsg(fd, this.#address, most, MSG_DONTWAIT, 0);
    this.#count = Math.min(Math.max(count, 0), most);
    return this.#count;
  }

  /** The bytes of a message, valid until the next read. Empty if it was cut off.
   *  @param i  less than what `read` returned */
  bytes(i: number): Uint8Array {
    const header = this.#header(i);
    const isWhole = (this.#view.getUint32(header + HEADER.flags, true) & MSG_TRUNC) === 0;
    const length = isWhole ? Math.min(this.#view.getUint32(header + RECEIVED_BYTES, true), MESSAGE_BYTES) : 0;
    return this.#bytes.subarray(i * MESSAGE_BYTES, i * MESSAGE_BYTES + length);
  }

  /** The size of the datagrams that the system has joined to this message; the last one may be shorter. 0 if it is one
   *  datagram. */
  datagramBytes(i: number): number {
    const at = this.#controls + i * CONTROL_BYTES;
    const isSize =
      this.#view.getUint32(at + CONTROL.length, true) === INT_CONTROL_BYTES &&
      this.#view.getInt32(at + CONTROL.level, true) === SOL_UDP &&
      this.#view.getInt32(at + CONTROL.type, true) === UDP_GRO;
    return isSize ? Math.max(this.#view.getInt32(at + CONTROL.value, true), 0) : 0;
  }

  /** Who sent it, in the words in which Node reports senders. The same object is filled again by the next call. */
  sender(i: number): Readonly<{ address: string; port: number }> {
    return this.#sender.read(this.#names + i * NAME_BYTES);
  }

  #header(i: number): number {
    return this.#headers + i * HEADER_BYTES;
  }

  #setPointer(i: number, field: number, offset: number): void {
    this.#view.setBigUint64(this.#header(i) + field, this.#address + BigInt(offset), true);
  }
}

/** Writes sockaddr_in and sockaddr_in6 as text (ip(7), ipv6(7)). Most messages come from the sender of the one before,
 *  so its text is kept. */
class SenderName {
  readonly #library: ReadingLibrary;
  readonly #view: DataView<ArrayBuffer>;
  readonly #last = new Uint32Array(NAME_BYTES / 4);
  readonly #name = { address: '', port: 0 };

  constructor(library: ReadingLibrary, view: DataView<ArrayBuffer>) {
    this.#library = library;
    this.#view = view;
  }

  read(at: number): Readonly<{ address: string; port: number }> {
    let isSame = true;
    // The last word is not part of either structure.
    for (let i = 0; i < this.#last.length - 1; i++) {
      const word = this.#view.getUint32(at + 4 * i, true);
      if (word === this.#last[i]) continue;
      this.#last[i] = word;
      isSame = false;
    }
    if (!isSame) {
      this.#name.address = this.#text(at);
      this.#name.port = this.#view.getUint16(at + 2);
    }
    return this.#name;
  }

  #text(at: number): string {
    const family = this.#view.getUint16(at, true);
    if (family !== AF_INET && family !== AF_INET6) return '';
    const [start, length] = family === AF_INET ? [4, 4] : [8, 16];
    const bytes = new Uint8Array(this.#view.buffer, at + start, length).slice();
    const text = new Uint8Array(TEXT_BYTES);
    this.#library.inet_ntop(family, bytes, text, text.length);
    const scope = family === AF_INET6 ? this.#view.getUint32(at + 24, true) : 0;
    return scope === 0 ? asText(text) : `${asText(text)}%${this.#interfaceName(scope)}`;
  }

  #interfaceName(index: number): string {
    const name = new Uint8Array(TEXT_BYTES);
    this.#library.if_indextoname(index, name);
    return asText(name);
  }
}

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString('latin1');
}
