/** How values are written for people. */
import { StreamErrorCode } from '@underpass/protocol';

/** The most bytes of contents that are shown in a value. */
const PREVIEW_BYTES = 48;

export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Writes a little-endian 32-bit number, such as an index of a session, as Wireshark does. */
export function uint32(bytes: Uint8Array): string {
  return `0x${hex(bytes.toReversed())}`;
}

export function byteCount(count: number): string {
  return counted(count, 'byte');
}

/** Writes a number of things: `1 byte`, `2 bytes`. */
export function counted(count: number, thing: string): string {
  return count === 1 ? `1 ${thing}` : `${count} ${thing}s`;
}

/** Shows contents as text when all of it is printable, and in hexadecimal otherwise. */
export function preview(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, PREVIEW_BYTES);
  const more = bytes.length > shown.length ? ' …' : '';
  return shown.every(isText) ? `"${escaped(shown)}"${more}` : `${hex(shown)}${more}`;
}

function isText(byte: number): boolean {
  return (byte >= 0x20 && byte <= 0x7e) || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function escaped(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += byte === 0x0a ? '\\n' : byte === 0x0d ? '\\r' : byte === 0x09 ? '\\t' : String.fromCharCode(byte);
  }
  return text.replaceAll('"', '\\"');
}

/** Returns the bytes as characters. Anything but printable ASCII becomes `?`, because the text may reach a terminal. */
export function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : '?';
  return text;
}

/** Writes a code with the name that a table of codes gives it: `0x07 frame encoding`. */
export function codeWords(table: Readonly<Record<string, number>>): (code: number) => string {
  return (code) => {
    const number = `0x${code.toString(16).padStart(2, '0')}`;
    const name = Object.keys(table).find((key) => table[key] === code);
    return name === undefined ? number : `${number} ${spaced(name)}`;
  };
}

export const streamErrorWords: (code: number) => string = codeWords(StreamErrorCode);

/** `frameEncoding` becomes `frame encoding`. */
function spaced(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
