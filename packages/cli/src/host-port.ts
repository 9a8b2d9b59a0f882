/** Parses `HOST:PORT` and `[HOST:]PORT`, with IPv6 literals in brackets. */
import { isIPv6 } from 'node:net';

export interface HostPort {
  /** A name, an IPv4 literal, or an IPv6 literal without brackets. */
  readonly host: string;
  readonly port: number;
}

/** @returns undefined when the text does not have that form, or the port is 0, to which nothing can be sent */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([^[\]\s]+)\]|([^[\]:\s]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, bracketed, plain, digits] = match;
  const port = Number(digits);
  if (port < 1 || port > 65535) return undefined;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : undefined;
  return plain !== undefined && isHost(plain) ? { host: plain, port } : undefined;
}

/** Where to listen: without a host on every address of the machine; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}

export function parseListenAddress(text: string): ListenAddress | undefined {
  if (/^\d{1,5}$/.test(text)) return Number(text) <= 65535 ? { port: Number(text) } : undefined;
  if (/:0$/.test(text)) {
    const parsed = parseHostPort(`${text.slice(0, -1)}1`);
    return parsed === undefined ? undefined : { host: parsed.host, port: 0 };
  }
  return parseHostPort(text);
}

/** A DNS name or IPv4 literal: at most 253 characters, labels of 1 to 63 (RFC 1035 §2.3.4). */
function isHost(text: string): boolean {
  if (text.length > 253) return false;
  return text.split('.').every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
}
