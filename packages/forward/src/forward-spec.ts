/** What a client may be asked to forward, and how targets are written. */

/** One forward of a client. Each kind has a class in the client's package that runs it. */
export type Forward = LocalForward;

/** A local place and the target to which the relay connects for it (`-L`). */
export interface LocalForward {
  readonly kind: 'local';
  /** As the user wrote it, for messages. A range is written as one forward for each port. */
  readonly text: string;
  readonly place: ListenPlace;
  readonly target: Target;
}

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
export type Target = TcpTarget | UnixTarget;

export interface TcpTarget {
  /** A name or an IP literal without brackets. */
  readonly host: string;
  readonly port: number;
}

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

/** `host:port` with an IPv6 literal in brackets, or `unix:/path`. */
export function formatTarget(target: Target): string {
  if (isUnix(target)) return `unix:${target.path}`;
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

/** A port in plain decimal, from `lowest` to 65535. */
export function parsePort(text: string, lowest: number): number | undefined {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port >= lowest && port <= 65_535 ? port : undefined;
}
