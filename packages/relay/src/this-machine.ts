/** What a relay asks its own machine. */
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';

/** Resolves a name with the system's resolver. */
export async function systemLookup(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** The addresses of all interfaces. */
export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => address),
  );
}
