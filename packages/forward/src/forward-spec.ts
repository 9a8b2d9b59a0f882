/** What a client may be asked to forward, and how targets are written. */

/** One forward of a client. Each kind has a class in the client's package that runs it. */
export type Forward = LocalForward | DynamicForward | UdpForward | ReverseForward;

/** A local place and the target to which the relay connects for it (`-L`). */
export interface LocalForward {
  readonly kind: 'local';
  /** As the user wrote it, for messages. A range is written as one forward for each port. */
  readonly text: string;
  readonly place: ListenPlace;
  readonly target: Target;
  /** Whether the target is told who connected (spec forwarding 2.8). */
  readonly proxyProtocol?: true;
}

/** A local UDP port and the target to which the relay sends its messages (`-U`). */
export interface UdpForward {
  readonly kind: 'udp';
  readonly text: string;
  readonly place: TcpPlace;
  readonly target: UdpTarget;
}

/** A local place at which programs choose the target themselves (`-D`). */
export interface DynamicForward {
  readonly kind: 'dynamic';
  /** As the user wrote it, for messages. */
  readonly text: string;
  readonly place: ListenPlace;
}

/** A port of the relay and the target to which this client connects for it (`-R`). */
export interface ReverseForward {
  readonly kind: 'reverse';
  readonly text: string;
  /** On the relay. A host is an IP literal. */
  readonly place: ListenPlace;
  /** As this machine sees it. */
  readonly target: TcpTarget | UnixTarget;
  /** Whether the target is told who connected (spec forwarding 2.8). */
  readonly proxyProtocol?: true;
}

/** The target of a reverse forward whose visitors this program serves itself. */
export const THIS_PROGRAM: TcpTarget = { host: 'this program', port: 0 };

/** Where local programs connect. */
export type ListenPlace = TcpPlace | UnixPlace;

export interface TcpPlace {
  readonly bind: Bind;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface UnixPlace {
  /** The absolute path of a unix socket. */
  readonly path: string;
}

/** `loopback` means 127.0.0.1 and ::1, or the one that exists; `all` means every interface. */
export type Bind =
  | { readonly kind: 'loopback' }
  | { readonly kind: 'all' }
  | { readonly kind: 'host'; readonly host: string };

/** What a peer asks for, as the relay sees it. */
export type Target = HostTarget | UnixTarget;

export interface TcpTarget {
  /** A name or an IP literal without brackets. */
  readonly host: string;
  readonly port: number;
  readonly protocol?: undefined;
}

/** Where messages are sent to. */
export interface UdpTarget {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'udp';
}

/** Every target that the rules permit: that of a flow without a fixed one. */
export const ANY_UDP_TARGET: UdpTarget = { host: '*', port: 0, protocol: 'udp' };

/** A target that has an address. */
export type HostTarget = TcpTarget | UdpTarget;

export interface UnixTarget {
  /** The absolute path of a unix socket on the relay's machine. */
  readonly path: string;
}

/** Why a text cannot be parsed. Names the faulty part and what was expected there. */
export interface Refusal {
  readonly reason: string;
}

export function isUnix<T extends object>(place: T | UnixTarget): place is UnixTarget {
  return 'path' in place;
}

/** `host:port` with an IPv6 literal in brackets, and `/udp` behind it for UDP; or `unix:/path`. */
export function formatTarget(target: Target): string {
  if (isUnix(target)) return `unix:${target.path}`;
  const { host, port, protocol } = target;
  const suffix = protocol === undefined ? '' : `/${protocol}`;
  if (target === ANY_UDP_TARGET) return '*:*/udp';
  if (target === THIS_PROGRAM) return host;
  return host.includes(':') ? `[${host}]:${port}${suffix}` : `${host}:${port}${suffix}`;
}

/** A port in plain decimal, from `lowest` to 65535. */
export function parsePort(text: string, lowest: number): number | undefined {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port >= lowest && port <= 65_535 ? port : undefined;
}
