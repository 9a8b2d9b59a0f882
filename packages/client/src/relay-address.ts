/** Where the relay is: its name is looked up at the start, and again while it does not answer. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Address } from '@underpass/protocol';
import { systemCode, UnderpassError } from '@underpass/runtime';

/** How long the relay may be silent, while we speak, before its name is looked up again. */
export const LOOKUP_INTERVAL_MS = 30_000;

/** Gives IP literals for a name, the preferred first; rejects when there are none. */
export type NameLookup = (name: string) => Promise<readonly string[]>;

/** @throws UnderpassError when the name does not resolve */
export async function resolveRelay(
  relay: { readonly host: string; readonly port: number },
  lookUp: NameLookup = systemLookup,
): Promise<Address> {
  if (isIP(relay.host) !== 0) return { address: relay.host, port: relay.port };
  try {
    const [address] = await lookUp(relay.host);
    if (address !== undefined) return { address, port: relay.port };
    throw new Error('no address');
  } catch (error) {
    throw new UnderpassError(
      'name-not-found',
      `the relay's name ${relay.host} does not resolve (${systemCode(error)})`,
      "check the name and this machine's network",
      { cause: error },
    );
  }
}

async function systemLookup(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}
