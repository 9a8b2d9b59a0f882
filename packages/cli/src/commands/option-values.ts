/** How option values are read; what is wrong with one becomes a usage error that names the option. */
import { type LocalForward, parseLocalForward } from '@underpass/forward';
import { InvalidArgumentError, Option } from 'commander';
import { MAX_KEEPALIVE_SECONDS } from '../config/fields.js';
import { type HostPort, type ListenAddress, parseHostPort, parseListenAddress } from '../host-port.js';
import { decodeKey } from '../key-text.js';
import { LOG_LEVELS } from '../log.js';

export function listenValue(text: string): ListenAddress {
  return expected(parseListenAddress(text), 'Expected PORT or HOST:PORT, IPv6 in brackets');
}

export function hostPortValue(text: string): HostPort {
  return expected(parseHostPort(text), 'Expected HOST:PORT, IPv6 in brackets');
}

export function publicKeyValue(text: string): Uint8Array {
  return expected(decodeKey(text), 'Expected 44 characters of base64, as underpass pubkey prints them');
}

export function keepaliveValue(text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return expected(
    seconds <= MAX_KEEPALIVE_SECONDS ? seconds : undefined,
    `Expected whole seconds from 0 (off) to ${MAX_KEEPALIVE_SECONDS}`,
  );
}

/** Repeatable: each `-L` adds one. */
export function localForwardValue(text: string, previous: readonly LocalForward[] = []): LocalForward[] {
  const parsed = parseLocalForward(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return [...previous, parsed];
}

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'how much to log').choices(LOG_LEVELS);
}

export function keyLogOption(): Option {
  return new Option(
    '--key-log <file>',
    'append handshake secrets for Wireshark; whoever has the file can read the traffic',
  );
}

function expected<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new InvalidArgumentError(message);
  return value;
}
