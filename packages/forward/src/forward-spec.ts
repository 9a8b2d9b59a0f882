/** What `-L` takes, in ssh's syntax: `[bind:]port:host:hostport` (spec forwarding 1). STUB, filled in soon. */

/** One local port that is forwarded. */
export interface LocalForward {
  /** As given, for messages. */
  readonly text: string;
  readonly bind: Bind;
  /** 0: the system chooses. */
  readonly port: number;
  readonly target: Target;
}

/** `loopback`: 127.0.0.1 and ::1, whichever exist. `all`: every interface. Otherwise a single address or name. */
export type Bind =
  | { readonly kind: 'loopback' }
  | { readonly kind: 'all' }
  | { readonly kind: 'host'; readonly host: string };

/** Where a stream should lead, as the relay resolves it. */
export interface Target {
  /** A name or an IP literal without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Why a text could not be read: a sentence's start that names what was expected. */
export interface Refusal {
  readonly reason: string;
}

export function parseLocalForward(_text: string): LocalForward | Refusal {
  throw new Error('stub');
}

/** `host:port`, with brackets round an IPv6 literal. */
export function formatTarget(target: Target): string {
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}
