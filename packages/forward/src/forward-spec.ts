/** Parses the argument of `-L`, in ssh's syntax: `[bind:]port:host:hostport` (spec forwarding 1.1). */
import { isIPv6 } from 'node:net';
import { parseHost } from './host.js';

/** One forward of a client. Each kind has a class in the client's package that runs it. */
export type Forward = LocalForward;

/** A local port and the target to which the relay connects for it (`-L`). */
export interface LocalForward extends TcpPlace {
  readonly kind: 'local';
  /** As the user wrote it, for messages. */
  readonly text: string;
  readonly target: Target;
}

/** Where to listen for TCP connections. */
export interface TcpPlace {
  readonly bind: Bind;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** `loopback` means 127.0.0.1 and ::1, or the one that exists; `all` means every interface. */
export type Bind =
  | { readonly kind: 'loopback' }
  | { readonly kind: 'all' }
  | { readonly kind: 'host'; readonly host: string };

/** The host and port that a peer asks for, as the relay sees them. */
export interface Target {
  /** A name or an IP literal without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Why a text cannot be parsed. Names the faulty part and what was expected there. */
export interface Refusal {
  readonly reason: string;
}

const SHAPE = 'expected [bind:]port:host:hostport, for example 8080:example.com:80';

/** @returns the forward, or why the text cannot be parsed */
export function parseLocalForward(text: string): LocalForward | Refusal {
  const url = refuseUrl(text);
  if (url !== undefined) return url;
  if (text.includes('/')) {
    return { reason: `'${text}': Unix sockets are not supported yet; ${SHAPE}` };
  }
  const fields = splitFields(text);
  if (fields === undefined) return { reason: `'${text}': a bracket is unclosed or misplaced; ${SHAPE}` };
  if (fields.length > 4 && !text.includes('[')) {
    return { reason: `'${text}' has too many colons: write an IPv6 address in brackets, as in [::1]` };
  }
  if (fields.length !== 3 && fields.length !== 4) return { reason: `'${text}': ${SHAPE}` };
  const [portText, hostText, hostPortText] = fields.slice(-3) as [string, string, string];

  const bind = parseBind(fields.length === 4 ? fields[0] : undefined);
  if (bind === undefined) {
    return {
      reason: `'${fields[0]}' is not a valid address to listen on: expected an IP address, a name or *`,
    };
  }
  const port = parsePort(portText, 0);
  if (port === undefined)
    return { reason: `'${portText}' is not a valid port to listen on: expected a number from 0 to 65535` };
  const host = unbracket(hostText);
  if (host === undefined)
    return {
      reason: `'${hostText}' is not a valid host: expected a name or an IP address (IPv6 in brackets)`,
    };
  const hostPort = parsePort(hostPortText, 1);
  if (hostPort === undefined)
    return {
      reason: `'${hostPortText}' is not a valid port for ${hostText}: expected a number from 1 to 65535`,
    };
  return { kind: 'local', text, bind, port, target: { host, port: hostPort } };
}

/** Refuses URLs, which people paste from a browser, and suggests what to write. */
export function refuseUrl(text: string): Refusal | undefined {
  const scheme = /[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0];
  if (scheme === undefined) return undefined;
  const rest = text.replace(scheme, '').replace(/\/[^/]*$/, '');
  return { reason: `'${text}' contains ${scheme} as in a URL: write ${rest}` };
}

/** `host:port`, with an IPv6 literal in brackets. */
export function formatTarget(target: Target): string {
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

/** A port in plain decimal, from `lowest` to 65535. */
export function parsePort(text: string, lowest: number): number | undefined {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port >= lowest && port <= 65_535 ? port : undefined;
}

/** Splits at the colons outside brackets. A bracketed part keeps its brackets and must be a whole field. */
function splitFields(text: string): string[] | undefined {
  const fields: string[] = [];
  let rest = text;
  for (;;) {
    const end = rest.startsWith('[') ? rest.indexOf(']') + 1 : rest.search(/:|$/);
    if (end === 0 && rest.startsWith('[')) return undefined;
    const field = rest.slice(0, end);
    if (!field.startsWith('[') && /[[\]]/.test(field)) return undefined;
    fields.push(field);
    if (end === rest.length) return fields;
    if (rest[end] !== ':') return undefined;
    rest = rest.slice(end + 1);
  }
}

function parseBind(text: string | undefined): Bind | undefined {
  if (text === undefined || text === 'localhost') return { kind: 'loopback' };
  if (text === '' || text === '*') return { kind: 'all' };
  const host = unbracket(text);
  return host === undefined ? undefined : { kind: 'host', host };
}

function unbracket(text: string): string | undefined {
  if (text.startsWith('[')) {
    const inner = text.slice(1, -1);
    return isIPv6(inner) && !inner.includes('%') ? inner : undefined;
  }
  return !text.includes(':') && parseHost(text) !== undefined ? text : undefined;
}
