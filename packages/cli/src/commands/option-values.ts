/** Parses option values. An invalid value becomes a usage error that names the option. */
import { existsSync } from 'node:fs';
import { type MaxRate, parseMaxRate } from '@underpass/forward/max-rate';
import { type AllowRule, parseAllowRule } from '@underpass/forward/rules';
import type {
  DynamicForward,
  LocalForward,
  ReverseForward,
  Target,
  UdpForward,
} from '@underpass/forward/spec';
import {
  parseAnyTarget,
  parseDynamicForward,
  parseLocalForwards,
  parseReverseForwards,
  parseTarget,
  parseUdpForwards,
} from '@underpass/forward/syntax';
import { SOCKET_KINDS } from '@underpass/runtime/socket-kinds';
import { SUITE_NAMES } from '@underpass/runtime/suite-names';
import { InvalidArgumentError, Option } from 'commander';
import { usageError } from '../cli-error.js';
import { type HostPort, type ListenAddress, parseHostPort, parseListenAddress } from '../host-port.js';
import { decodeKey, looksLikeKey } from '../key-text.js';
import {
  MAX_CONNECT_TIMEOUT_SECONDS,
  MAX_INVITE_MS,
  MAX_KEEPALIVE_SECONDS,
  MAX_WORKERS,
  MIN_INVITE_MS,
} from '../limits.js';
import { LOG_LEVELS } from '../log-level.js';
import { parseDuration } from './time-text.js';

export function listenValue(text: string): ListenAddress {
  return expected(parseListenAddress(text), 'Expected PORT or HOST:PORT, IPv6 in brackets');
}

export function hostPortValue(text: string): HostPort {
  return expected(parseHostPort(text), 'Expected HOST:PORT, IPv6 in brackets');
}

/** The error does not show the value, because it may be a private key. */
export function publicKeyValue(text: string): Uint8Array {
  const key = decodeKey(text);
  if (key !== undefined) return key;
  throw usageError(
    '--relay-key is not a public key',
    'expected 44 characters of base64, as underpass pubkey prints them',
  );
}

/** An option that takes the path of a file.
 *  @param wanted  what the file is, for example `a key file` */
export function fileOption(flags: string, wanted: string, description: string): Option {
  const name = flags.split(' ', 1)[0] ?? flags;
  return new Option(flags, description).argParser((text) => {
    if (!isKeyAndNoPath(text)) return text;
    throw usageError(
      `${name} expects the path of ${wanted}, but got what looks like a key`,
      'other users could see that key: make a new one',
    );
  });
}

/** A path may also have the shape of a key. It counts as a path if it exists or starts like one. */
function isKeyAndNoPath(text: string): boolean {
  if (decodeKey(text.trim()) !== undefined) return true;
  return looksLikeKey(text) && !/^[./~]/.test(text) && !existsSync(text);
}

export function keepaliveValue(text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return expected(
    seconds <= MAX_KEEPALIVE_SECONDS ? seconds : undefined,
    `Expected whole seconds from 0 (off) to ${MAX_KEEPALIVE_SECONDS}`,
  );
}

export function connectTimeoutValue(text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return expected(
    seconds <= MAX_CONNECT_TIMEOUT_SECONDS ? seconds : undefined,
    `Expected whole seconds from 0 (never) to ${MAX_CONNECT_TIMEOUT_SECONDS}`,
  );
}

export function waitValue(text: string): number {
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  return expected(seconds >= 1 ? seconds : undefined, 'Expected whole seconds from 1 to 999');
}

/** Repeatable: each `-L` adds one forward, or one for each port of a range. */
export function localForwardValue(text: string, previous: readonly LocalForward[] = []): LocalForward[] {
  const parsed = parseLocalForwards(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return [...previous, ...parsed];
}

/** Repeatable. */
export function dynamicForwardValue(
  text: string,
  previous: readonly DynamicForward[] = [],
): DynamicForward[] {
  const parsed = parseDynamicForward(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return [...previous, parsed];
}

/** `unix:/path` is also a target. */
export function stdioTargetValue(text: string): Target {
  const parsed = parseTarget(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return parsed;
}

/** `host:port`, and `host:port/udp` for UDP. */
export function anyTargetValue(text: string): Target {
  const parsed = parseAnyTarget(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return parsed;
}

/** Repeatable: each adds one rule. */
export function allowValue(text: string, previous: readonly AllowRule[] = []): AllowRule[] {
  const parsed = parseAllowRule(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return [...previous, parsed];
}

export function maxRateValue(text: string): MaxRate {
  const parsed = parseMaxRate(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return parsed;
}

/** @returns milliseconds */
export function expiresValue(text: string): number {
  const milliseconds = parseDuration(text);
  const isInRange =
    milliseconds !== undefined && milliseconds >= MIN_INVITE_MS && milliseconds <= MAX_INVITE_MS;
  return expected(
    isInRange ? milliseconds : undefined,
    `Expected a time from 1m to ${MAX_INVITE_MS / 86_400_000}d, as in 90m, 24h or 7d`,
  );
}

/** The same as `-L`, for `-U`. */
export function udpForwardValue(text: string, previous: readonly UdpForward[] = []): UdpForward[] {
  const parsed = parseUdpForwards(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return [...previous, ...parsed];
}

/** For the relay and the commands that act on its files. */
export function relayConfigOption(description: string): Option {
  return fileOption('--config <file>', 'a config file', description).env('UNDERPASS_CONFIG');
}

/** Where clients reach the relay. */
export function endpointOption(description: string): Option {
  return new Option('--endpoint <host:port>', description).argParser(hostPortValue).env('UNDERPASS_ENDPOINT');
}

export function listenOption(description: string): Option {
  return new Option('--listen <[host:]port>', description).argParser(listenValue).env('UNDERPASS_LISTEN');
}

/** Repeatable, like `-L`. */
export function reverseForwardValue(
  text: string,
  previous: readonly ReverseForward[] = [],
): ReverseForward[] {
  const parsed = parseReverseForwards(text);
  if ('reason' in parsed) throw new InvalidArgumentError(parsed.reason);
  return [...previous, ...parsed];
}

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'how much to log').choices(LOG_LEVELS).env('UNDERPASS_LOG_LEVEL');
}

export function socketOption(): Option {
  return new Option(
    '--socket <kind>',
    'the kind of UDP socket to use instead of the best that works here, to compare or to examine one',
  ).choices(SOCKET_KINDS);
}

export function workersOption(): Option {
  return new Option(
    '--workers <number>',
    'among how many processes to divide the peers (default: 1; Linux, with koffi)',
  ).argParser((text) => {
    const workers = /^\d$/.test(text) ? Number(text) : Number.NaN;
    const isPossible = workers >= 1 && workers <= MAX_WORKERS;
    return expected(
      isPossible ? workers : undefined,
      `Expected a number of processes from 1 to ${MAX_WORKERS}`,
    );
  });
}

export function suiteOption(): Option {
  return new Option(
    '--suite <name>',
    'the crypto suite to use instead of the fastest that works here, to compare or to examine one',
  ).choices(SUITE_NAMES);
}

export function metricsOption(): Option {
  return new Option(
    '--metrics <[host:]port>',
    'serve Prometheus metrics and a health probe by HTTP; without a host on 127.0.0.1',
  ).argParser(listenValue);
}

/** Without a port, its value is `true`. */
export function inspectOption(): Option {
  return new Option(
    '--inspect [port]',
    'show this tunnel in a web page on this machine, at a link that works once; without a port, the system chooses one',
  ).argParser((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    return expected(
      port <= 65535 ? port : undefined,
      'Expected a port. Without one, write --inspect last, or --inspect=0',
    );
  });
}

export function keyLogOption(): Option {
  return fileOption(
    '--key-log <file>',
    'a file to append to',
    'append handshake secrets for Wireshark; anyone who has the file can read the traffic',
  );
}

export function captureOption(): Option {
  return fileOption(
    '--capture <file>',
    'a file to write to',
    'write all datagrams and what opens them, for Wireshark (pcapng); anyone who has the file can read the traffic',
  );
}

export function qlogOption(): Option {
  return fileOption(
    '--qlog <file>',
    'a file to write to',
    'write packets, losses and the congestion window as events, for qvis (name it .sqlog)',
  );
}

function expected<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new InvalidArgumentError(message);
  return value;
}
