/** The types of value in config files. Each message completes 'found …, expected …'.
 *
 *  They are made of zod's small variant, which does the same with functions in place of methods: a schema of the large one
 *  takes several times as long to make, at every start. */
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
import * as z from 'zod/mini';
import { CliError } from '../cli-error.js';
import { type HostPort, type ListenAddress, parseHostPort, parseListenAddress } from '../host-port.js';
import { readKeyFile, readPrivateKeyFile } from '../key-file.js';
import { decodePublicKey, looksLikeKey } from '../key-text.js';
import {
  MAX_CONNECT_TIMEOUT_SECONDS,
  MAX_IDLE_TIMEOUT_MINUTES,
  MAX_KEEPALIVE_SECONDS,
  MAX_OUTAGE_HOURS,
  MAX_WORKERS,
  NAME_WORDS,
} from '../limits.js';
import { LOG_LEVELS } from '../log-level.js';
import type { KeyFiles } from './key-files.js';
import { COMPLETE_MESSAGE, describe } from './schema-problems.js';

/** How many of the last rules are kept, to be shared. */
const MAX_REMEMBERED_RULES = 64;

/** A peer's name: at most 64 characters, none of which needs quoting anywhere. */
const PEER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const listenExpected = 'a port, or "HOST:PORT" (IPv6 in brackets)';
/** The port may also be a number, which is what most people write at first. */
export const listenField: z.ZodMiniType<ListenAddress> = z.pipe(
  z.transform((value) => (typeof value === 'number' || typeof value === 'bigint' ? String(value) : value)),
  parsedField<ListenAddress>(listenExpected, parseListenAddress),
);

export const hostPortField = parsedField<HostPort>('"HOST:PORT" (a string; IPv6 in brackets)', parseHostPort);

export const publicKeyField = parsedField<Uint8Array>(
  'a public key: 44 characters of base64, as underpass pubkey prints them',
  decodePublicKey,
);

export const peerNameField = parsedField<string>(`a name of ${NAME_WORDS}`, (text) =>
  isPeerName(text) ? text : undefined,
);

export function isPeerName(text: string): boolean {
  return PEER_NAME.test(text);
}

export const logLevelField = z.enum(LOG_LEVELS, { error: `one of ${LOG_LEVELS.join(', ')}` });

export const congestionField = z.enum(CONGESTION_CONTROLLERS, {
  error: `one of ${CONGESTION_CONTROLLERS.join(', ')}`,
});

const MIB = 1024 * 1024;
/** MiB in the file, bytes in the value. */
export const memoryMibField = numberOf('MiB', {
  min: MIN_MEMORY_PER_PEER_BYTES / MIB,
  max: MAX_MEMORY_PER_PEER_BYTES / MIB,
  factor: MIB,
});

/** Hours in the file, milliseconds in the value. */
export const outageHoursField = numberOf('hours', { min: 1, max: MAX_OUTAGE_HOURS, factor: 3_600_000 });

/** Minutes in the file, milliseconds in the value. */
export const idleMinutesField = numberOf('minutes', {
  min: 1,
  max: MAX_IDLE_TIMEOUT_MINUTES,
  factor: 60_000,
});

export const workersField = numberOf('processes', { min: 1, max: MAX_WORKERS });

export const keepaliveSecondsField = numberOf('seconds', {
  min: 0,
  max: MAX_KEEPALIVE_SECONDS,
  zeroMeans: 'off',
});

export const connectTimeoutField = numberOf('seconds', {
  min: 0,
  max: MAX_CONNECT_TIMEOUT_SECONDS,
  zeroMeans: 'never',
});

export const allowField: z.ZodMiniType<AllowRule> = explainedField(
  'a rule "HOST:PORT", "CIDR:PORT" or "*.DOMAIN:PORT" (a string)',
  remembered(parseAllowRule),
);

export const listenRuleField: z.ZodMiniType<ListenRule> = explainedField(
  'a rule "[BIND:]PORT" (a string)',
  parseListenRule,
);

export const maxRateField: z.ZodMiniType<MaxRate> = explainedField(
  'a rate such as "10 MB/s" (a string)',
  parseMaxRate,
);

/** A range of ports gives several. */
export const localForwardField: z.ZodMiniType<readonly LocalForward[]> = explainedField(
  'a forward "[BIND:]PORT:HOST:HOSTPORT" (a string)',
  parseLocalForwards,
);

export const udpForwardField: z.ZodMiniType<readonly UdpForward[]> = explainedField(
  'a forward "[BIND:]PORT:HOST:HOSTPORT" (a string)',
  parseUdpForwards,
);

export const reverseForwardField: z.ZodMiniType<readonly ReverseForward[]> = explainedField(
  'a forward "[BIND:]PORT:HOST:HOSTPORT" (a string)',
  parseReverseForwards,
);

export const dynamicForwardField: z.ZodMiniType<DynamicForward> = explainedField(
  'a local port "[BIND:]PORT" (a string)',
  parseDynamicForward,
);

/** The path of a private key file, which is read at once: the value is the key. */
export function privateKeyFileField(files: KeyFiles): z.ZodMiniType<Uint8Array> {
  return fileField(files, readPrivateKeyFile);
}

/** The same for a preshared key. */
export function presharedKeyFileField(files: KeyFiles): z.ZodMiniType<Uint8Array> {
  return fileField(files, (file) => readKeyFile(file));
}

function fileField(files: KeyFiles, readKey: (file: string) => Uint8Array): z.ZodMiniType<Uint8Array> {
  const expected = 'the path of a key file (a string)';
  return textField(expected, (text, context) => {
    if (looksLikeKey(text)) {
      return refuse(context, text, 'found what looks like a key, expected the path of a file that holds one');
    }
    try {
      return files.read(text, readKey);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      return refuse(context, text, `${error.message}: ${error.hint}`);
    }
  });
}

/** A whole number, which is multiplied by `factor`. */
function numberOf(
  unit: string,
  {
    min,
    max,
    zeroMeans,
    factor = 1,
  }: {
    readonly min: number;
    readonly max: number;
    readonly zeroMeans?: string;
    readonly factor?: number;
  },
): z.ZodMiniType<number> {
  const error = `a whole number of ${unit} from ${min}${zeroMeans === undefined ? '' : ` (${zeroMeans})`} to ${max}`;
  return z.pipe(
    z.int({ error }).check(z.minimum(min, { error }), z.maximum(max, { error })),
    z.transform((number) => number * factor),
  );
}

function parsedField<T>(expected: string, parse: (text: string) => T | undefined): z.ZodMiniType<T> {
  return textField(expected, (text, context) => {
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
): z.ZodMiniType<T> {
  return textField(expected, (text, context) => {
    const parsed = parse(text);
    if (!('reason' in parsed)) return parsed;
    const saysWhich = parsed.reason.includes(text);
    return refuse(context, text, saysWhich ? parsed.reason : `${describe(text)}: ${parsed.reason}`);
  });
}

/** Many peers have the same rules, and a rule never changes, so they share it. */
function remembered<T>(parse: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const found = known.get(text) ?? parse(text);
    if (known.size >= MAX_REMEMBERED_RULES) known.clear();
    known.set(text, found);
    return found;
  };
}

/** @param read  makes the value of the text, or adds an issue to the context */
function textField<T>(
  expected: string,
  read: (text: string, context: z.core.ParsePayload) => T,
): z.ZodMiniType<T> {
  return z.pipe(z.string({ error: expected }), z.transform(read));
}

function refuse(context: z.core.ParsePayload, input: unknown, message: string): never {
  context.issues.push({ code: 'custom', message, input, params: COMPLETE_MESSAGE });
  return z.NEVER;
}
