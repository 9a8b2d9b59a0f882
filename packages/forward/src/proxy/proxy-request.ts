/** What a program asks of a dynamic forward, whichever protocol it speaks (docs/spec/proxy.md). */
import type { Address } from '@underpass/protocol';
import type { TcpTarget } from '../forward-spec.js';
import { parseHost } from '../host.js';
import { isRequestable } from '../request.js';
import type { TunnelFailure } from '../tunnel-error.js';

/** What a program asks for. */
export type ProxyRequest = ConnectRequest | AssociateRequest;

/** A request for a place to send UDP messages to (SOCKS 5, UDP ASSOCIATE). */
export interface AssociateRequest {
  readonly command: 'associate';
  /** The port from which the program says that it will send; 0 if it does not know yet. */
  readonly fromPort: number;
  /** The answer, with the address to send to. */
  granted(address: Address): Uint8Array;
  refusal(failure: TunnelFailure): Uint8Array;
}

/** A request for a connection, with its answers in the words of its protocol. */
export interface ConnectRequest {
  readonly command: 'connect';
  readonly target: TcpTarget;
  /** The answer when the relay has reached the target. */
  readonly granted: Uint8Array;
  /** The answer to a failure.
   *  @param advice  what happened and what to do, in one line */
  refusal(failure: TunnelFailure, advice: string): Uint8Array;
}

/** The outcome of looking at all bytes of a program that have arrived. */
export type ProxyStep =
  /** More bytes are needed. `reply` is for the program, and may be empty. */
  | { readonly kind: 'more'; readonly reply: Uint8Array; readonly bytesRead: number }
  | {
      readonly kind: 'request';
      readonly request: ProxyRequest;
      readonly bytesRead: number;
    }
  /** This cannot be served. The connection is closed after `reply`, or reset when that is empty. */
  | { readonly kind: 'refused'; readonly reply: Uint8Array; readonly reason: string };

export const NOTHING = new Uint8Array(0);
export const MORE: ProxyStep = { kind: 'more', reply: NOTHING, bytesRead: 0 };

/** Whether a request to the relay can carry the target (spec proxy 5). */
export function isProxyTarget({ host, port }: TcpTarget): boolean {
  return parseHost(host) !== undefined && isRequestable(host, port);
}

export function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
