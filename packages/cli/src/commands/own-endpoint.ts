/** Finds out where clients reach this machine's relay. Nobody else is asked. */
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isGlobalAddress } from '@underpass/forward';
import { CliError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import type { HostPort, ListenAddress } from '../host-port.js';

/** @param listen  where the relay listens
 *  @param addresses  those of this machine
 *  @throws CliError when this machine has no public address, or several and no one of them stands out */
export function ownEndpoint(
  listen: ListenAddress,
  configFile: string,
  addresses: readonly string[] = machineAddresses(),
): HostPort {
  const { host, port } = listen;
  if (host !== undefined && isGlobalAddress(host)) return { host, port };
  const found = [...new Set(addresses)].filter(isGlobalAddress);
  const candidates = found.filter((ip) => isReachedAt(ip, host));
  // IPv4 first: every client has it, and machines usually have several IPv6 addresses.
  for (const family of [candidates.filter((ip) => !isIPv6(ip)), candidates]) {
    const [only, ...others] = family;
    if (only !== undefined && others.length === 0) return { host: only, port };
    if (others.length > 0) break;
  }
  throw new CliError(
    ExitCode.config,
    `cannot tell where clients reach this relay: ${whyNot(listen, candidates)}`,
    hint(configFile, port),
  );
}

/** A socket on `0.0.0.0` gets no IPv6. One on `::` gets both. */
function isReachedAt(ip: string, host: string | undefined): boolean {
  return host === undefined || host === '::' || (host === '0.0.0.0' && !isIPv6(ip));
}

function whyNot({ host }: ListenAddress, candidates: readonly string[]): string {
  if (candidates.length > 0) return `this machine has several public addresses (${candidates.join(', ')})`;
  if (host === '0.0.0.0') return 'it listens on IPv4, and this machine has no public IPv4 address of its own';
  if (host !== undefined && host !== '::') return `it listens on ${host}, which is not a public address`;
  return 'this machine has no public address of its own';
}

function hint(configFile: string, port: number): string {
  return `give --endpoint HOST:${port} with its public name or address, or write endpoint = "HOST:${port}" into ${configFile}`;
}

function machineAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => address),
  );
}
