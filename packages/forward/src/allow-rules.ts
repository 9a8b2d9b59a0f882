/** Parses one line of a peer's `allow` list (spec forwarding 3.1). */
import ipaddr from 'ipaddr.js';
import type { Refusal } from './forward-spec.js';
import { parsePort } from './forward-spec.js';
import { refuseUrl } from './forward-syntax.js';
import { formatAddress, isHostName, isIp6, isNumericName, LOOPBACK_ADDRESSES, parseAddress } from './host.js';
import { literalNetwork, type Network } from './special-purpose.js';
import { unixPathProblem } from './unix-path.js';

/** One line of a peer's `allow` list. Only `parseAllowRule` creates it. */
export interface AllowRule {
  /** The canonical form, for display and storage. Parsing it again gives an equal rule. */
  readonly text: string;
  readonly match: RuleMatch;
  /** 1 to 65535; both are 0 in a rule for a unix socket. */
  readonly lowestPort: number;
  readonly highestPort: number;
  /** What a rule permits: it is never more than one of these (adr 0022). */
  readonly protocol: 'tcp' | 'udp' | 'unix';
}

export type RuleMatch =
  /** Every name, and every global unicast address. */
  | { readonly kind: 'any' }
  | { readonly kind: 'name'; readonly name: string }
  /** Names below `parent`, at any depth, and not `parent` itself. */
  | { readonly kind: 'below'; readonly parent: string }
  /** `localhost` gives two networks. */
  | { readonly kind: 'networks'; readonly networks: readonly Network[] }
  /** One unix socket. */
  | { readonly kind: 'unix'; readonly path: string };

const SHAPE =
  'expected host:port, network/prefix:port, *.domain:port, *:port or unix:/path, for example example.com:443, with /udp behind the port for UDP';
const UDP_SUFFIX = /\/udp$/i;
/** No valid rule is longer: a name and a range of ports. */
const MAX_RULE_LENGTH = 300;

/** All rules for localhost share it. It is made for the first of them (see special-purpose.ts). */
let localhost: RuleMatch | undefined;

/** @returns the rule, or why the text cannot be parsed */
export function parseAllowRule(text: string): AllowRule | Refusal {
  if (text.length > MAX_RULE_LENGTH) return { reason: `the rule is longer than ${MAX_RULE_LENGTH} bytes` };
  const url = refuseUrl(text);
  if (url !== undefined) return url;
  if (text.startsWith('unix:/')) return parseUnixRule(text.slice(5));
  const colon = text.lastIndexOf(':');
  if (colon === -1) return { reason: `'${text}' has no port: ${SHAPE}` };
  const hostText = text.slice(0, colon).toLowerCase();
  const isUdp = UDP_SUFFIX.test(text);
  const portText = text.slice(colon + 1).replace(UDP_SUFFIX, '');

  const host = parseRuleHost(hostText);
  if ('reason' in host) return host;
  const ports = parsePorts(portText);
  if (ports === undefined) {
    return {
      reason: `'${portText}' is not a valid port: expected a number from 1 to 65535, a range as in 8000-8080, or *`,
    };
  }
  const [lowestPort, highestPort] = ports;
  return {
    text: `${host.text}:${formatPorts(lowestPort, highestPort)}${isUdp ? '/udp' : ''}`,
    match: host.match,
    lowestPort,
    highestPort,
    protocol: isUdp ? 'udp' : 'tcp',
  };
}

/** spec forwarding 3.7 */
function parseUnixRule(path: string): AllowRule | Refusal {
  const problem = unixPathProblem(path);
  if (problem !== undefined) return { reason: problem };
  if (path.includes('*')) return { reason: `'*' has no meaning in '${path}': a rule names one socket` };
  return {
    text: `unix:${path}`,
    match: { kind: 'unix', path },
    lowestPort: 0,
    highestPort: 0,
    protocol: 'unix',
  };
}

interface RuleHost {
  readonly text: string;
  readonly match: RuleMatch;
}

function parseRuleHost(text: string): RuleHost | Refusal {
  if (text === '') return { reason: `there is no host before the port: ${SHAPE}` };
  if (text === '*') return { text, match: { kind: 'any' } };
  if (text.startsWith('[')) return parseBracketed(text);
  if (text.includes(':'))
    return { reason: `'${text}': write an IPv6 address in brackets, as in [2001:db8::1]:443` };
  if (text.includes('/') || parseAddress(text) !== undefined) return parseNetwork(text);

  const wildcard = text.startsWith('*.');
  const written = wildcard ? text.slice(2) : text;
  if (!isHostName(written)) {
    return { reason: `'${text}' is not a valid host name: ${SHAPE} (write other letters in xn-- form)` };
  }
  const name = written.replace(/\.$/, '');
  if (isNumericName(name))
    return { reason: `'${text}' is not a valid IPv4 address: expected four numbers from 0 to 255` };
  if (wildcard) return { text: `*.${name}`, match: { kind: 'below', parent: name } };
  if (name === 'localhost') {
    localhost ??= { kind: 'networks', networks: LOOPBACK_ADDRESSES.map(literalNetwork) };
    return { text: name, match: localhost };
  }
  return { text: name, match: { kind: 'name', name } };
}

function parseBracketed(text: string): RuleHost | Refusal {
  const found = /^\[([^\]/]*)(\/[0-9]+)?\](\/[0-9]+)?$/.exec(text);
  const [, inner, prefixInside, prefixBehind] = found ?? [];
  if (
    inner === undefined ||
    !inner.includes(':') ||
    (prefixInside !== undefined && prefixBehind !== undefined)
  ) {
    return { reason: `'${text}' is not a valid IPv6 address: expected [address] or [address/prefix]` };
  }
  return parseNetwork(inner + (prefixInside ?? prefixBehind ?? ''));
}

function parseNetwork(text: string): RuleHost | Refusal {
  const [addressText = '', prefixText, ...more] = text.split('/');
  const address = parseAddress(addressText);
  if (address === undefined || more.length > 0) {
    return { reason: `'${text}' is not a valid network: expected an address and a prefix, as in 10.0.0.0/8` };
  }
  // The prefix of an IPv4-mapped network includes the 96 bits before the IPv4 address (spec forwarding 3.6).
  const mappedBits = !isIp6(address) && addressText.includes(':') ? 96 : 0;
  const addressBits = isIp6(address) ? 128 : 32;
  const prefixBits = prefixText === undefined ? addressBits : Number(prefixText) - mappedBits;
  const wellFormed = prefixText === undefined || /^(0|[1-9][0-9]{0,2})$/.test(prefixText);
  if (!wellFormed || prefixBits < 0 || prefixBits > addressBits) {
    return {
      reason: `'/${prefixText}' is not a valid prefix: expected a number from ${mappedBits} to ${addressBits + mappedBits}`,
    };
  }
  const base = ipaddr.fromByteArray(maskBytes(address.toByteArray(), prefixBits));
  const network = `${formatAddress(base)}/${prefixBits}`;
  if (base.toString() !== address.toString()) {
    return { reason: `'${text}' has bits set after its prefix: write ${network}` };
  }
  const shown = prefixBits === addressBits ? formatAddress(base) : network;
  return {
    text: isIp6(base) ? `[${shown}]` : shown,
    match: { kind: 'networks', networks: [{ base, prefixBits }] },
  };
}

/** Clears the bits after the prefix. */
function maskBytes(bytes: readonly number[], prefixBits: number): number[] {
  return bytes.map((byte, index) => {
    const kept = Math.min(Math.max(prefixBits - index * 8, 0), 8);
    return byte & (0xff00 >> kept);
  });
}

function parsePorts(text: string): readonly [number, number] | undefined {
  if (text === '*') return [1, 65_535];
  const [lowestText = '', highestText = lowestText, ...more] = text.split('-');
  const lowest = parsePort(lowestText, 1);
  const highest = parsePort(highestText, 1);
  if (lowest === undefined || highest === undefined || highest < lowest || more.length > 0) return undefined;
  return [lowest, highest];
}

function formatPorts(lowest: number, highest: number): string {
  if (lowest === 1 && highest === 65_535) return '*';
  return lowest === highest ? String(lowest) : `${lowest}-${highest}`;
}
