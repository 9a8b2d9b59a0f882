/** From the relay's name to its addresses. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Family, inDialOrder } from '@underpass/forward';
import type { Address } from '@underpass/protocol';
import { systemCode, UnderpassError } from '@underpass/runtime';
import { MAX_RELAY_ADDRESSES } from './client-constants.js';

/** Gives IP literals for a name, the preferred first; rejects when there are none. */
export type NameLookup = (name: string) => Promise<readonly string[]>;

export interface RelayName {
  readonly host: string;
  readonly port: number;
}

/** @param first  the family to begin with; without it the resolver's choice
 *  @returns at least one address, IPv6 and IPv4 in turn; or why there is none, as a system error's name */
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

/** No such name: trying again is of little use. Any other error may be gone in a minute. */
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

async function systemLookup(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}
