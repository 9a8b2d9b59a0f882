/** Parses a peer's `allow_listen` list, and decides what the peer may listen on (spec reverse 3). */

import { MAX_CHOSEN_PORTS } from '../forward-constants.js';
import { parsePort, type Refusal, type TcpPlace } from '../forward-spec.js';
import { refuseUrl } from '../forward-syntax.js';
import { formatAddress, parseAddress } from '../host.js';

/** One line of a peer's `allow_listen` list. Only `parseListenRule` creates it. */
export interface ListenRule {
  /** The canonical form, for display and storage. Parsing it again gives an equal rule. */
  readonly text: string;
  /** `localhost`, `*`, or an IP literal in its shortest form, without brackets. */
  readonly bind: string;
  readonly lowestPort: number;
  readonly highestPort: number;
}

/** Where a peer asks to listen. */
export interface RelayPlace {
  /** `localhost`, `*` or an IP literal without brackets. */
  readonly bind: string;
  /** 0 lets the relay choose. */
  readonly port: number;
}

export type ListenVerdict =
  /** `bind` is in one form. The first of `ports` that is free is the one; 0 lets the system choose. */
  | { readonly permitted: true; readonly bind: string; readonly ports: readonly number[] }
  | { readonly permitted: false; readonly advice: string };

/** The lowest port that `*` stands for. Lower ones belong to services of the system. */
export const LOWEST_COMMON_PORT = 1024;
const HIGHEST_PORT = 65_535;
const SHAPE = 'expected [bind:]port, for example 8080, or *:8080 for every interface';
/** No valid rule is longer: an IPv6 address and a range of ports. */
const MAX_RULE_LENGTH = 64;

/** @returns the rule, or why the text cannot be parsed */
export function parseListenRule(text: string): ListenRule | Refusal {
  if (text.length > MAX_RULE_LENGTH) return { reason: `the rule is longer than ${MAX_RULE_LENGTH} bytes` };
  const url = refuseUrl(text);
  if (url !== undefined) return url;
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

/** The narrowest rule that permits a place. */
export function listenRuleFor({ bind, port }: RelayPlace): string {
  const ports = port === 0 ? '*' : String(port);
  return bind === 'localhost' ? ports : formatRelayPlace(bind, ports);
}

/** Where a reverse forward asks the relay to listen. */
export function relayPlaceOf({ bind, port }: TcpPlace): RelayPlace {
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

/** `localhost:8080`, `*:8080` or `[::1]:8080`. */
export function formatRelayPlace(bind: string, port: number | string): string {
  return bind.includes(':') ? `[${bind}]:${port}` : `${bind}:${port}`;
}

/** `::` listens on IPv4 too, so it means every interface. */
function inOneForm(bind: string): string {
  if (bind === 'localhost' || bind === '*') return bind;
  const address = parseAddress(bind);
  const text = address === undefined ? bind : formatAddress(address);
  return text === '::' ? '*' : text;
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
