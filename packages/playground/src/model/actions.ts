/** What a reader can do to a session. An action is one line of plain values, so that a session is a seed and a list of
 *  actions, and a link to it is text. */
import { MAX_CLIENTS, MAX_DATAGRAMS, MAX_TRANSFER_BYTES } from './limits.js';
import { LINK_RANGES, LINK_SETTINGS } from './settings.js';

/** A value of an action: its name in the code, and how it is read from a link. */
interface Parameter {
  readonly name: string;
  /** A number in this range ... */
  readonly range?: { readonly min: number; readonly max: number; readonly isWhole?: boolean };
  /** ... or one of these words. */
  readonly words?: readonly string[];
}

const DATAGRAM = { name: 'datagram', range: { min: 1, max: MAX_DATAGRAMS, isWhole: true } } as const;
const CLIENT = { name: 'client', range: { min: 1, max: MAX_CLIENTS, isWhole: true } } as const;
/** 0 is the relay, and 1, 2 and so on are the clients. */
const NODE = { name: 'node', range: { min: 0, max: MAX_CLIENTS, isWhole: true } } as const;
const milliseconds = (max: number) => ({ name: 'ms', range: { min: 1, max } }) as const;

export const ACTION_PARAMETERS = {
  /** To a datagram that is under way. */
  drop: [DATAGRAM],
  delay: [DATAGRAM, milliseconds(10_000)],
  corrupt: [DATAGRAM],
  /** To any datagram. The attacker sends its copies from an address of its own. */
  duplicate: [DATAGRAM],
  replay: [DATAGRAM],
  forge: [DATAGRAM],
  /** Initiations of a stranger who knows the relay's public key. */
  flood: [milliseconds(10_000), { name: 'perSecond', range: { min: 1, max: 1000, isWhole: true } }],
  /** To the links. */
  link: [
    { name: 'setting', words: LINK_SETTINGS },
    { name: 'value', range: { min: 0, max: LINK_RANGES.kbitPerSecond.max } },
  ],
  blackout: [milliseconds(120_000)],
  move: [CLIENT],
  rebind: [CLIENT],
  /** To the processes. */
  restart: [NODE],
  clock: [NODE, { name: 'seconds', range: { min: -86_400, max: 86_400, isWhole: true } }],
  rekey: [NODE],
  peer: [],
  upload: [CLIENT, { name: 'bytes', range: { min: 1, max: MAX_TRANSFER_BYTES, isWhole: true } }],
  download: [CLIENT, { name: 'bytes', range: { min: 1, max: MAX_TRANSFER_BYTES, isWhole: true } }],
  /** How fast the application reads: 0 stops it, and the greatest value means at once. */
  reader: [NODE, { name: 'kilobytesPerSecond', range: { min: 0, max: 100_000, isWhole: true } }],
} as const satisfies Record<string, readonly Parameter[]>;

export type ActionKind = keyof typeof ACTION_PARAMETERS;

/** How fast a reader has to be to count as one that reads at once. */
export const READS_AT_ONCE = 100_000;

type ValueOf<P> = P extends { readonly words: readonly (infer Word)[] } ? Word : number;
type ValuesOf<K extends ActionKind> = {
  readonly [P in (typeof ACTION_PARAMETERS)[K][number] as P['name']]: ValueOf<P>;
};
/** What to do, without the time. */
export type Deed = { [K in ActionKind]: { readonly kind: K } & ValuesOf<K> }[ActionKind];
/** `at` is virtual time in milliseconds, a whole number of microseconds. */
export type Action = Deed & { readonly at: number };

/** Writes a deed as text, for example `delay,12,40`. */
export function writeDeed(deed: Deed): string {
  const values = deed as unknown as Readonly<Record<string, string | number>>;
  return [deed.kind, ...ACTION_PARAMETERS[deed.kind].map(({ name }) => String(values[name]))].join(',');
}

/** Reads what `writeDeed` wrote.
 *  @returns the deed, or what is wrong with the text */
export function readDeed(text: string): Deed | string {
  const [kind = '', ...values] = text.split(',');
  if (!Object.hasOwn(ACTION_PARAMETERS, kind)) return `there is no action '${kind}'`;
  const parameters: readonly Parameter[] = ACTION_PARAMETERS[kind as ActionKind];
  if (values.length !== parameters.length) {
    return `'${kind}' takes ${parameters.length} values, and '${text}' has ${values.length}`;
  }
  const deed: Record<string, string | number> = { kind };
  for (const [i, parameter] of parameters.entries()) {
    const value = readValue(parameter, values[i] as string);
    if (value === undefined)
      return `'${text}' has '${values[i]}' for ${parameter.name}: ${expected(parameter)}`;
    deed[parameter.name] = value;
  }
  return deed as unknown as Deed;
}

function expected({ range, words }: Parameter): string {
  if (range === undefined) return `expected ${words?.join(' or ')}`;
  return `expected a ${range.isWhole ? 'whole ' : ''}number from ${range.min} to ${range.max}`;
}

function readValue({ range, words }: Parameter, text: string): string | number | undefined {
  if (range === undefined) return words?.includes(text) ? text : undefined;
  return readNumber(text, range);
}

/** @returns undefined if the text is not a plain decimal number in that range */
export function readNumber(
  text: string,
  { min, max, isWhole = false }: { readonly min: number; readonly max: number; readonly isWhole?: boolean },
): number | undefined {
  if (!/^-?\d{1,9}(\.\d{1,3})?$/.test(text)) return undefined;
  const value = Number(text);
  if (value < min || value > max || (isWhole && !Number.isInteger(value))) return undefined;
  return value;
}
