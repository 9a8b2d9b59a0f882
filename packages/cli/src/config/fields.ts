/** The types of value in config files. Each message completes 'found …, expected …'. */
import {
  type AllowRule,
  type DynamicForward,
  type ListenRule,
  type LocalForward,
  type MaxRate,
  parseAllowRule,
  parseDynamicForward,
  parseListenRule,
  parseLocalForwards,
  parseMaxRate,
  parseReverseForwards,
  parseUdpForwards,
  type ReverseForward,
  type UdpForward,
} from '@underpass/forward';
import {
  CONGESTION_CONTROLLERS,
  MAX_MEMORY_PER_PEER_BYTES,
  MIN_MEMORY_PER_PEER_BYTES,
} from '@underpass/protocol';
import * as z from 'zod';
import { CliError } from '../cli-error.js';
import { type HostPort, type ListenAddress, parseHostPort, parseListenAddress } from '../host-port.js';
import { readKeyFile, readPrivateKeyFile } from '../key-file.js';
import { decodeKey, looksLikeKey } from '../key-text.js';
import {
  MAX_CONNECT_TIMEOUT_SECONDS,
  MAX_IDLE_TIMEOUT_MINUTES,
  MAX_KEEPALIVE_SECONDS,
  MAX_OUTAGE_HOURS,
  MAX_WORKERS,
} from '../limits.js';
import { LOG_LEVELS } from '../log-level.js';
import { resolveFrom } from './default-paths.js';
import { COMPLETE_MESSAGE, describe } from './schema-problems.js';

/** A peer's name: at most 64 characters, none of which needs quoting anywhere. */
const PEER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const listenExpected = 'a port, or "HOST:PORT" (IPv6 in brackets)';
/** The port may also be a number, which is what most people write at first. */
export const listenField: z.ZodType<ListenAddress> = z.preprocess(
  (value) => (typeof value === 'number' || typeof value === 'bigint' ? String(value) : value),
  parsedField<ListenAddress>(listenExpected, parseListenAddress),
);

export const hostPortField = parsedField<HostPort>('"HOST:PORT" (a string; IPv6 in brackets)', parseHostPort);

export const publicKeyField = parsedField<Uint8Array>(
  'a public key: 44 characters of base64, as underpass pubkey prints them',
  decodeKey,
);

export const peerNameField = parsedField<string>(
  'a name of 1 to 64 letters, digits, dots, dashes and underscores',
  (text) => (isPeerName(text) ? text : undefined),
);

export function isPeerName(text: string): boolean {
  return PEER_NAME.test(text);
}

export const logLevelField = z.enum(LOG_LEVELS, { error: `one of ${LOG_LEVELS.join(', ')}` });

export const congestionField = z.enum(CONGESTION_CONTROLLERS, {
  error: `one of ${CONGESTION_CONTROLLERS.join(', ')}`,
});

const MIB = 1024 * 1024;
const memoryExpected = `a whole number of MiB from ${MIN_MEMORY_PER_PEER_BYTES / MIB} to ${MAX_MEMORY_PER_PEER_BYTES / MIB}`;
/** MiB in the file, bytes in the value. */
export const memoryMibField = z
  .int({ error: memoryExpected })
  .min(MIN_MEMORY_PER_PEER_BYTES / MIB, { error: memoryExpected })
  .max(MAX_MEMORY_PER_PEER_BYTES / MIB, { error: memoryExpected })
  .transform((mebibytes) => mebibytes * MIB);

const HOUR_MS = 3_600_000;
const outageExpected = `a whole number of hours from 1 to ${MAX_OUTAGE_HOURS}`;
/** Hours in the file, milliseconds in the value. */
export const outageHoursField = z
  .int({ error: outageExpected })
  .min(1, { error: outageExpected })
  .max(MAX_OUTAGE_HOURS, { error: outageExpected })
  .transform((hours) => hours * HOUR_MS);

const idleExpected = `a whole number of minutes from 1 to ${MAX_IDLE_TIMEOUT_MINUTES}`;
/** Minutes in the file, milliseconds in the value. */
export const idleMinutesField = z
  .int({ error: idleExpected })
  .min(1, { error: idleExpected })
  .max(MAX_IDLE_TIMEOUT_MINUTES, { error: idleExpected })
  .transform((minutes) => minutes * 60_000);

const workersExpected = `a whole number of processes from 1 to ${MAX_WORKERS}`;
export const workersField = z
  .int({ error: workersExpected })
  .min(1, { error: workersExpected })
  .max(MAX_WORKERS, { error: workersExpected });

const keepaliveExpected = `a whole number of seconds from 0 (off) to ${MAX_KEEPALIVE_SECONDS}`;
export const keepaliveSecondsField = z
  .int({ error: keepaliveExpected })
  .min(0, { error: keepaliveExpected })
  .max(MAX_KEEPALIVE_SECONDS, { error: keepaliveExpected });

const connectTimeoutExpected = `a whole number of seconds from 0 (never) to ${MAX_CONNECT_TIMEOUT_SECONDS}`;
export const connectTimeoutField = z
  .int({ error: connectTimeoutExpected })
  .min(0, { error: connectTimeoutExpected })
  .max(MAX_CONNECT_TIMEOUT_SECONDS, { error: connectTimeoutExpected });

export const allowField: z.ZodType<AllowRule> = explainedField(
  'a rule "HOST:PORT", "CIDR:PORT" or "*.DOMAIN:PORT" (a string)',
  parseAllowRule,
);

export const listenRuleField: z.ZodType<ListenRule> = explainedField(
  'a rule "[BIND:]PORT" (a string)',
  parseListenRule,
);

export const maxRateField: z.ZodType<MaxRate> = explainedField(
  'a rate such as "10 MB/s" (a string)',
  parseMaxRate,
);

/** A range of ports gives several. */
export const localForwardField: z.ZodType<readonly LocalForward[]> = explainedField(
  'a forward "[BIND:]PORT:HOST:HOSTPORT" (a string)',
  parseLocalForwards,
);

export const udpForwardField: z.ZodType<readonly UdpForward[]> = explainedField(
  'a forward "[BIND:]PORT:HOST:HOSTPORT" (a string)',
  parseUdpForwards,
);

export const reverseForwardField: z.ZodType<readonly ReverseForward[]> = explainedField(
  'a forward "[BIND:]PORT:HOST:HOSTPORT" (a string)',
  parseReverseForwards,
);

export const dynamicForwardField: z.ZodType<DynamicForward> = explainedField(
  'a local port "[BIND:]PORT" (a string)',
  parseDynamicForward,
);

/** The path of a private key file, which is read at once: the value is the key.
 *  @param directory  where relative paths start */
export function privateKeyFileField(directory: string): z.ZodType<Uint8Array> {
  return fileField(directory, readPrivateKeyFile);
}

/** The same for a preshared key.
 *  @param directory  a function if the schema serves for files in several directories */
export function presharedKeyFileField(directory: string | (() => string)): z.ZodType<Uint8Array> {
  return fileField(directory, (file) => readKeyFile(file));
}

function fileField(
  directory: string | (() => string),
  read: (file: string) => Uint8Array,
): z.ZodType<Uint8Array> {
  const expected = 'the path of a key file (a string)';
  return z.string({ error: expected }).transform((text, context) => {
    if (looksLikeKey(text)) {
      return refuse(context, text, 'found what looks like a key, expected the path of a file that holds one');
    }
    try {
      return read(resolveFrom(typeof directory === 'string' ? directory : directory(), text));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      return refuse(context, text, `${error.message}: ${error.hint}`);
    }
  });
}

function parsedField<T>(expected: string, parse: (text: string) => T | undefined): z.ZodType<T> {
  return z.string({ error: expected }).transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', message: expected, input: text });
    return z.NEVER;
  });
}

/** For parsers whose reason already says what was found and what was expected. */
function explainedField<T extends object>(
  expected: string,
  parse: (text: string) => T | { readonly reason: string },
): z.ZodType<T> {
  return z.string({ error: expected }).transform((text, context) => {
    const parsed = parse(text);
    if (!('reason' in parsed)) return parsed;
    const saysWhich = parsed.reason.includes(text);
    return refuse(context, text, saysWhich ? parsed.reason : `${describe(text)}: ${parsed.reason}`);
  });
}

function refuse(context: z.RefinementCtx, input: unknown, message: string): never {
  context.issues.push({ code: 'custom', message, input, params: COMPLETE_MESSAGE });
  return z.NEVER;
}
