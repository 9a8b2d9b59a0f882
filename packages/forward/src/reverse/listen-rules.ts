/** Parses a peer's `allow_listen` list, and decides what the peer may listen on (spec reverse 3). */

import { MAX_CHOSEN_PORTS } from '../forward-constants.js';
import { isUnix, type ListenPlace, parsePort, type Refusal } from '../forward-spec.js';
import { refuseUrl } from '../forward-syntax.js';
import { formatAddress, parseAddress } from '../host.js';
import { MAX_UNIX_PATH_BYTES, unixPathProblem } from '../unix-path.js';

/** One line of a peer's `allow_listen` list. Only `parseListenRule` creates it. */
export interface ListenRule {
  /** The canonical form, for display and storage. Parsing it again gives an equal rule. */
  readonly text: string;
  /** `localhost`, `*`, an IP literal in its shortest form, without brackets, or the path of a unix socket. */
  readonly bind: string;
  /** 1 to 65535; both are 0 for a unix socket. */
  readonly lowestPort: number;
  readonly highestPort: number;
}

/** Where a peer asks to listen. */
export interface RelayPlace {
  /** `localhost`, `*`, an IP literal without brackets, or the path of a unix socket. */
  readonly bind: string;
  /** 0 lets the relay choose. It is 0 for a unix socket too. */
  readonly port: number;
}

export type ListenVerdict =
  /** `bind` is in one form. The first of `ports` that is free is the one; 0 lets the system choose. */
  | { readonly permitted: true; readonly bind: string; readonly ports: readonly number[] }
  | { readonly permitted: false; readonly advice: string };

/** The lowest port that `*` stands for. Lower ones belong to services of the system. */
export const LOWEST_COMMON_PORT = 1024;
const HIGHEST_PORT = 65_535;
const SHAPE = 'expected [bind:]port, for example 8080, or *:8080 for every interface; or unix:/path';
/** No valid rule is longer: the path of a unix socket. */
const MAX_RULE_LENGTH = 'unix:'.length + MAX_UNIX_PATH_BYTES;

/** @returns the rule, or why the text cannot be parsed */
export function parseListenRule(text: string): ListenRule | Refusal {
  if (text.length > MAX_RULE_LENGTH) return { reason: `the rule is longer than ${MAX_RULE_LENGTH} bytes` };
  const url = refuseUrl(text);
  if (url !== undefined) return url;
  if (text.startsWith('unix:')) return parseUnixRule(text.slice(5));
  const colon = text.lastIndexOf(':');
  const bindText = colon === -1 ? 'localhost' : text.slice(0, colon);
  const bind = parseRuleBind(bindText);
  if (bind === undefined) {
    return {
      reason: `'${bindText}' is not a valid address to listen on: expected localhost, an IP address (IPv6 in brackets) or *`,
    };
  }
  const portText = text.slice(colon + 1);
  const ports = parsePorts(portText);
  if (ports === undefined) {
    const isBareAddress = colon === -1 && parseAddress(portText) !== undefined;
    if (isBareAddress || portText === '') return { reason: `'${text}' has no port: ${SHAPE}` };
    return {
      reason: `'${portText}' is not a valid port: expected a number from 1 to 65535, a range as in 8000-8080, or *`,
    };
  }
  const [lowestPort, highestPort] = ports;
  const shown = formatPorts(lowestPort, highestPort);
  return {
    text: bind === 'localhost' ? shown : formatRelayPlace(bind, shown),
    bind,
    lowestPort,
    highestPort,
  };
}

/** Decides whether a peer may listen there. */
export function judgeListen(rules: readonly ListenRule[], { bind: asked, port }: RelayPlace): ListenVerdict {
  const bind = inOneForm(asked);
  if (isPath(bind)) return judgePath(rules, bind);
  const forBind = rules.filter((rule) => permitsBind(rule, bind));
  const ports =
    port === 0 ? portsToChoose(forBind) : forBind.some((rule) => covers(rule, port)) ? [port] : [];
  if (ports.length > 0) return { permitted: true, bind, ports };
  const where = formatRelayPlace(bind, port === 0 ? '*' : port);
  const hint = port !== 0 && port < LOWEST_COMMON_PORT ? ' (* does not include ports below 1024)' : '';
  return {
    permitted: false,
    advice: `no listen rule allows ${where}; to allow it, add ${listenRuleFor({ bind, port })} to allow_listen${hint}`,
  };
}

/** Only a rule with exactly this path permits a unix socket. */
function judgePath(rules: readonly ListenRule[], path: string): ListenVerdict {
  if (rules.some((rule) => rule.bind === path)) return { permitted: true, bind: path, ports: [0] };
  const place = formatRelayPlace(path, 0);
  return {
    permitted: false,
    advice: `no listen rule allows ${place}; to allow it, add ${place} to allow_listen`,
  };
}

/** The narrowest rule that permits a place. */
export function listenRuleFor({ bind, port }: RelayPlace): string {
  if (isPath(bind)) return formatRelayPlace(bind, port);
  const ports = port === 0 ? '*' : String(port);
  return bind === 'localhost' ? ports : formatRelayPlace(bind, ports);
}

/** Where a reverse forward asks the relay to listen. */
export function relayPlaceOf(place: ListenPlace): RelayPlace {
  if (isUnix(place)) return { bind: place.path, port: 0 };
  const { bind, port } = place;
  switch (bind.kind) {
    case 'loopback':
      return { bind: 'localhost', port };
    case 'all':
      return { bind: '*', port };
    case 'host':
      return { bind: bind.host, port };
  }
}

/** Whether the rules still permit a listener that exists. */
export function isListenPermitted(rules: readonly ListenRule[], { bind, port }: RelayPlace): boolean {
  return judgeListen(rules, { bind, port }).permitted;
}

/** `localhost:8080`, `*:8080`, `[::1]:8080` or `unix:/path`. */
export function formatRelayPlace(bind: string, port: number | string): string {
  if (isPath(bind)) return `unix:${bind}`;
  return bind.includes(':') ? `[${bind}]:${port}` : `${bind}:${port}`;
}

/** `::` listens on IPv4 too, so it means every interface. */
function inOneForm(bind: string): string {
  const address = parseAddress(bind);
  const text = address === undefined ? bind : formatAddress(address);
  return text === '::' ? '*' : text;
}

function isPath(bind: string): boolean {
  return bind.startsWith('/');
}

function parseUnixRule(path: string): ListenRule | Refusal {
  const problem = unixPathProblem(path);
  if (problem !== undefined) return { reason: problem };
  return { text: `unix:${path}`, bind: path, lowestPort: 0, highestPort: 0 };
}

function permitsBind(rule: ListenRule, bind: string): boolean {
  if (rule.bind === '*' || rule.bind === bind) return true;
  return rule.bind === 'localhost' && parseAddress(bind)?.range() === 'loopback';
}

function covers(rule: ListenRule, port: number): boolean {
  return rule.lowestPort <= port && port <= rule.highestPort;
}

function isAnyPort({ lowestPort, highestPort }: ListenRule): boolean {
  return lowestPort === LOWEST_COMMON_PORT && highestPort === HIGHEST_PORT;
}

function portsToChoose(rules: readonly ListenRule[]): readonly number[] {
  if (rules.some(isAnyPort)) return [0];
  const ports = new Set<number>();
  for (const { lowestPort, highestPort } of rules) {
    for (let port = lowestPort; port <= highestPort && ports.size < MAX_CHOSEN_PORTS; port++) ports.add(port);
  }
  return [...ports];
}

function parseRuleBind(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (lower === 'localhost' || lower === '*') return lower;
  const isBracketed = lower.startsWith('[') && lower.endsWith(']');
  const literal = isBracketed ? lower.slice(1, -1) : lower;
  if (isBracketed !== literal.includes(':') || parseAddress(literal) === undefined) return undefined;
  return inOneForm(literal);
}

function parsePorts(text: string): readonly [number, number] | undefined {
  if (text === '*') return [LOWEST_COMMON_PORT, HIGHEST_PORT];
  const [lowestText = '', highestText = lowestText, ...more] = text.split('-');
  const lowest = parsePort(lowestText, 1);
  const highest = parsePort(highestText, 1);
  if (lowest === undefined || highest === undefined || highest < lowest || more.length > 0) return undefined;
  return [lowest, highest];
}

function formatPorts(lowest: number, highest: number): string {
  if (lowest === LOWEST_COMMON_PORT && highest === HIGHEST_PORT) return '*';
  return lowest === highest ? String(lowest) : `${lowest}-${highest}`;
}
