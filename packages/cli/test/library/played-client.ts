/** A client that is nothing but a list of what was asked of it. */
import type { BoundForward, Client } from '@underpass/client';
import type { Forward, Target, TunnelSocketOptions } from '@underpass/forward';
import { type Mock, vi } from 'vitest';

/** The client, the calls made on it, and the answers that a test may replace. */
export interface PlayedClient {
  readonly asClient: Client;
  /** The calls, in order. */
  readonly calls: string[];
  readonly forwards: BoundForward[];
  /** The service passed with each forward, if any. */
  readonly services: unknown[];
  /** Where the relay listens for a forward. */
  readonly addressesOf: (text: string) => { address: string; port: number }[];
  readonly addForward: Mock<(spec: Forward, service?: unknown) => Promise<BoundForward>>;
  readonly dial: Mock<(target: Target, options?: TunnelSocketOptions) => object>;
  readonly status: Mock<() => object>;
  readonly connected: Mock<() => Promise<void>>;
}

export function playedClient(): PlayedClient {
  const calls: string[] = [];
  const forwards: BoundForward[] = [];
  const services: unknown[] = [];
  const addresses = new Map<string, { address: string; port: number }[]>();
  const addressesOf = (text: string) => addresses.get(text) ?? [];
  const client = {
    forwards,
    addressesOf,
    calls,
    services,
    addForward: vi.fn(async (spec: Forward, service?: unknown) => {
      calls.push(`add ${spec.text}`);
      services.push(service);
      addresses.set(spec.text, []);
      const bound = { spec, addresses: addressesOf(spec.text) };
      forwards.push(bound);
      return bound;
    }),
    removeForward: vi.fn(async ({ text }: Forward) => {
      calls.push(`remove ${text}`);
      const index = forwards.findIndex(({ spec }) => spec.text === text);
      if (index >= 0) forwards.splice(index, 1);
      return index >= 0;
    }),
    dial: vi.fn((target: Target, options?: TunnelSocketOptions) => ({ target, options })),
    status: vi.fn(() => ({})),
    connect: () => void calls.push('connect'),
    connected: vi.fn(async () => undefined),
    close: async () => void calls.push('close'),
  };
  return { ...client, asClient: client as unknown as Client };
}
