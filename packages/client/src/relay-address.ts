/** Resolves the relay's name to addresses. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Family, inDialOrder } from '@underpass/forward';
import type { Address } from '@underpass/protocol';
import { systemCode, UnderpassError } from '@underpass/runtime';
import { MAX_RELAY_ADDRESSES } from './client-constants.js';

/** Returns IP literals for a name, in order of preference. Rejects when there are none. */
export type NameLookup = (name: string) => Promise<readonly string[]>;

export interface RelayName {
  readonly host: string;
  readonly port: number;
}

/** @param first  the family to start with; by default that of the resolver's first answer
 *  @returns at least one address, IPv6 and IPv4 alternating, or the name of the system's error */
export async function resolveRelay(
  { host, port }: RelayName,
  first?: Family,
  lookUp: NameLookup = systemLookup,
): Promise<readonly [Address, ...Address[]] | string> {
  if (isIP(host) !== 0) return [{ address: host, port }];
  try {
    const found = inDialOrder(await lookUp(host), first).slice(0, MAX_RELAY_ADDRESSES);
    const [best, ...others] = found.map((address) => ({ address, port }));
    return best === undefined ? 'ENODATA' : [best, ...others];
  } catch (error) {
    return systemCode(error);
  }
}

/** Whether the name does not exist, so that a retry is unlikely to help. Any other error may pass. */
export function isUnknownName(code: string): boolean {
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

export function unknownNameError(host: string, code: string): UnderpassError {
  return new UnderpassError(
    'name-not-found',
    `the relay's name ${host} does not exist (${code})`,
    "check the name and this machine's network",
  );
}

/** Resolves a name with the system's resolver. */
export async function systemLookup(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}
