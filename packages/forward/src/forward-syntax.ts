/** Parses the arguments of `-L`, `-D`, `-U`, `-R` and `-W`, in ssh's syntax (spec forwarding 1.1). */
import { isIPv6 } from 'node:net';
import type {
  Bind,
  DynamicForward,
  ListenPlace,
  LocalForward,
  Refusal,
  ReverseForward,
  Target,
  TcpTarget,
  UdpForward,
  UnixTarget,
} from './forward-spec.js';
import { formatTarget, isUnix, parsePort } from './forward-spec.js';
import { parseAddress, parseHost } from './host.js';
import { unixPathProblem } from './unix-path.js';

/** How many ports one range may have (spec forwarding 1.1). */
export const MAX_RANGE_PORTS = 1024;

/** Behind a forward, asks for a header of the PROXY protocol. */
const PROXY_PROTOCOL = ',proxy-protocol';

const SHAPE = 'expected [bind:]port:host:hostport, for example 8080:example.com:80';
const UDP_SHAPE =
  'UDP is forwarded between ports: expected [bind:]port:host:hostport, for example 5353:9.9.9.9:53';
const DYNAMIC_SHAPE = 'expected [bind:]port, for example 1080';
const REVERSE_SHAPE = 'expected [bind:]port:host:hostport, for example 8080:localhost:3000';
const TARGET_SHAPE = 'expected host:port, for example example.com:22';

/** A range of ports gives a forward for each port.
 *  @returns the forwards, or why the text cannot be parsed */
export function parseLocalForwards(text: string): readonly LocalForward[] | Refusal {
  if (!text.endsWith(PROXY_PROTOCOL)) return parsePlainForwards(text);
  const parsed = parsePlainForwards(text.slice(0, -PROXY_PROTOCOL.length));
  return 'reason' in parsed ? parsed : parsed.map(withProxyProtocol);
}

/** The same forward, whose target is told who connected. */
export function withProxyProtocol<F extends LocalForward | ReverseForward>(forward: F): F {
  if (forward.proxyProtocol === true) return forward;
  return { ...forward, text: `${forward.text}${PROXY_PROTOCOL}`, proxyProtocol: true };
}

function parsePlainForwards(text: string): readonly LocalForward[] | Refusal {
  const url = refuseUrl(text);
  if (url !== undefined) return url;
  const fields = splitFields(text);
  if (fields === undefined) return { reason: `'${text}': a bracket is unclosed or misplaced; ${SHAPE}` };
  const targetFields = fields.at(-1)?.startsWith('/') ? 1 : 2;
  const placeFields = fields.length - targetFields;
  if (fields.length > 4 && !text.includes('[')) {
    return { reason: `'${text}' has too many colons: write an IPv6 address in brackets, as in [::1]` };
  }
  const isPath = fields[0]?.startsWith('/') === true;
  if (placeFields < 1 || placeFields > (isPath ? 1 : 2)) return { reason: `'${text}': ${SHAPE}` };

  const places = isPath ? parsePathPlace(fields[0] ?? '') : parsePlaces(fields.slice(0, placeFields));
  if ('reason' in places) return places;
  const targets = parseTargets(fields.slice(placeFields));
  if ('reason' in targets) return targets;
  return paired(text, places, targets);
}

/** The same for `-U`, both of whose ends are UDP ports.
 *  @returns the forwards, or why the text cannot be parsed */
export function parseUdpForwards(text: string): readonly UdpForward[] | Refusal {
  const parsed = parseLocalForwards(text);
  if ('reason' in parsed) return parsed;
  const forwards: UdpForward[] = [];
  for (const { text: own, place, target, proxyProtocol } of parsed) {
    if (proxyProtocol === true) return { reason: `'${text}': UDP has no PROXY protocol` };
    if (isUnix(place) || isUnix(target)) return { reason: `'${text}': ${UDP_SHAPE}` };
    const { host, port } = target;
    forwards.push({ kind: 'udp', text: own, place, target: { host, port, protocol: 'udp' } });
  }
  return forwards;
}

/** @returns the forward, or why the text cannot be parsed */
export function parseDynamicForward(text: string): DynamicForward | Refusal {
  const url = refuseUrl(text);
  if (url !== undefined) return url;
  const fields = splitFields(text);
  const isPath = text.startsWith('/');
  if (fields === undefined || fields.length > (isPath ? 1 : 2))
    return { reason: `'${text}': ${DYNAMIC_SHAPE}` };
  const places = isPath ? parsePathPlace(text) : parsePlaces(fields);
  if ('reason' in places) return places;
  const [place, ...more] = places;
  if (place === undefined || more.length > 0) {
    return { reason: `'${text}': one port is enough, because programs choose the target themselves` };
  }
  return { kind: 'dynamic', text, place };
}

/** Parses `-R` like `-L`: the place is the relay's, the target this machine's (spec reverse 1).
 *  @returns the forwards, or why the text cannot be parsed */
export function parseReverseForwards(text: string): readonly ReverseForward[] | Refusal {
  const parsed = parseLocalForwards(text);
  if ('reason' in parsed) return parsed;
  const forwards: ReverseForward[] = [];
  for (const { text: own, place, target, proxyProtocol } of parsed) {
    const host = !isUnix(place) && place.bind.kind === 'host' ? place.bind.host : undefined;
    if (host !== undefined && parseAddress(host) === undefined) {
      return {
        reason: `'${host}' is a name: the relay listens on an address of its own, so write that, localhost or *`,
      };
    }
    if (!isUnix(target) && target.protocol !== undefined) return { reason: `'${text}': ${REVERSE_SHAPE}` };
    forwards.push({
      kind: 'reverse',
      text: own,
      place,
      target,
      ...(proxyProtocol && { proxyProtocol }),
    });
  }
  return forwards;
}

/** @param text  `host:port` or `unix:/path` */
export function parseTarget(text: string): TcpTarget | UnixTarget | Refusal {
  const url = refuseUrl(text);
  if (url !== undefined) return url;
  if (text.startsWith('unix:/')) return parsePathTarget(text.slice(5));
  const fields = splitFields(text);
  if (fields?.length !== 2) return { reason: `'${text}': ${TARGET_SHAPE}, IPv6 in brackets` };
  return parseTcpTarget(fields[0] ?? '', fields[1] ?? '');
}

/** The same, and a UDP target if `/udp` is behind the port. */
export function parseAnyTarget(text: string): Target | Refusal {
  const [, place] = /^(.+)\/udp$/.exec(text) ?? [];
  if (place === undefined || text.startsWith('unix:/')) return parseTarget(text);
  const target = parseTarget(place);
  return 'host' in target ? { host: target.host, port: target.port, protocol: 'udp' } : target;
}

/** Refuses URLs, which people paste from a browser, and suggests what to write. */
export function refuseUrl(text: string): Refusal | undefined {
  const scheme = /[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0];
  if (scheme === undefined) return undefined;
  const rest =
    scheme === 'unix://'
      ? `unix:/${text.slice(text.indexOf(scheme) + scheme.length).replace(/^\/+/, '')}`
      : text.replace(scheme, '').replace(/\/[^/]*$/, '');
  return { reason: `'${text}' contains ${scheme} as in a URL: write ${rest}` };
}

/** Splits at the colons outside brackets. A bracketed part keeps its brackets and must be a whole field. */
function splitFields(text: string): string[] | undefined {
  const fields: string[] = [];
  let rest = text;
  for (;;) {
    const end = rest.startsWith('[') ? rest.indexOf(']') + 1 : rest.search(/:|$/);
    const field = rest.slice(0, end);
    if (!field.startsWith('[') && !field.startsWith('/') && /[[\]]/.test(field)) return undefined;
    fields.push(field);
    if (end === rest.length) return fields;
    if (rest[end] !== ':') return undefined;
    rest = rest.slice(end + 1);
  }
}

/** @param fields  `port`, or `bind` and `port` */
function parsePlaces(fields: readonly string[]): readonly ListenPlace[] | Refusal {
  const bind = parseBind(fields.length === 2 ? fields[0] : undefined);
  if (bind === undefined) {
    return {
      reason: `'${fields[0]}' is not a valid address to listen on: expected an IP address, a name or *`,
    };
  }
  const ports = parseRange(fields.at(-1) ?? '', 0, 'to listen on');
  return 'reason' in ports ? ports : ports.map((port) => ({ bind, port }));
}

function parsePathPlace(path: string): readonly ListenPlace[] | Refusal {
  const problem = unixPathProblem(path);
  return problem === undefined ? [{ path }] : { reason: problem };
}

/** @param fields  a path, or a host and a port or range */
function parseTargets(fields: readonly string[]): readonly Target[] | Refusal {
  const [first = '', portText] = fields;
  if (portText === undefined) {
    const target = parsePathTarget(first);
    return 'reason' in target ? target : [target];
  }
  const host = parseTargetHost(first);
  if (typeof host !== 'string') return host;
  const ports = parseRange(portText, 1, `for ${first}`);
  return 'reason' in ports ? ports : ports.map((port) => ({ host, port }));
}

function parsePathTarget(path: string): UnixTarget | Refusal {
  const problem = unixPathProblem(path);
  return problem === undefined ? { path } : { reason: problem };
}

function parseTcpTarget(hostText: string, portText: string): TcpTarget | Refusal {
  const host = parseTargetHost(hostText);
  if (typeof host !== 'string') return host;
  const port = parsePort(portText, 1);
  if (port !== undefined) return { host, port };
  return {
    reason: `'${portText}' is not a valid port for ${hostText}: expected a number from 1 to 65535`,
  };
}

function parseTargetHost(text: string): string | Refusal {
  return (
    unbracket(text) ?? {
      reason: `'${text}' is not a valid host: expected a name or an IP address (IPv6 in brackets)`,
    }
  );
}

/** One port, or a range without port 0. */
function parseRange(text: string, lowest: number, what: string): readonly number[] | Refusal {
  const [firstText = '', lastText, ...more] = text.split('-');
  const first = parsePort(firstText, lastText === undefined ? lowest : 1);
  const last = lastText === undefined ? first : parsePort(lastText, 1);
  if (first === undefined || last === undefined || more.length > 0) {
    const range = lastText === undefined ? '' : ', or a range as in 8000-8010';
    const least = lastText === undefined ? lowest : 1;
    return {
      reason: `'${text}' is not a valid port ${what}: expected a number from ${least} to 65535${range}`,
    };
  }
  if (last < first) return { reason: `'${text}' is not a valid range of ports: it ends before it begins` };
  if (last - first >= MAX_RANGE_PORTS) {
    return { reason: `'${text}' has more than ${MAX_RANGE_PORTS} ports: write several ranges` };
  }
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
}

/** Port by port. A single target serves a single place only: which port of a range a program meant would be lost. */
function paired(
  text: string,
  places: readonly ListenPlace[],
  targets: readonly Target[],
): readonly LocalForward[] | Refusal {
  if (places.length !== targets.length) {
    return {
      reason: `'${text}' has ${counted(places.length)} to listen on, but ${counted(targets.length)} at the target: expected as many`,
    };
  }
  const isRange = places.length > 1;
  return places.map((place, index) => {
    const target = targets[index] as Target;
    return { kind: 'local', text: isRange ? formatForward(place, target) : text, place, target };
  });
}

function counted(ports: number): string {
  return ports === 1 ? 'one port' : `${ports} ports`;
}

function formatForward(place: ListenPlace, target: Target): string {
  const behind = isUnix(target) ? target.path : formatTarget(target);
  return `${formatPlace(place)}:${behind}`;
}

/** As it is written in a forward. */
export function formatPlace(place: ListenPlace): string {
  if (isUnix(place)) return place.path;
  const { bind, port } = place;
  switch (bind.kind) {
    case 'loopback':
      return String(port);
    case 'all':
      return `*:${port}`;
    case 'host':
      return formatTarget({ host: bind.host, port });
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
