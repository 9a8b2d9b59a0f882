/** Chooses the crypto suite that seals packets fastest on this machine (docs/adr/0027-crypto-suites.md). */
import { type CryptoSuite, createPortableSuite, TAG_BYTES } from '@underpass/protocol';
import { type Log, silentLog } from '../log.js';
import { UnderpassError } from '../underpass-error.js';
import { givesKnownAnswers } from './known-answers.js';
import { createNodeSuite } from './node-suite.js';
import { loadOpenSsl } from './openssl.js';
import { createOpenSslSuite } from './openssl-suite.js';
import { loadSodium } from './sodium.js';
import { createSodiumSuite } from './sodium-suite.js';
import type { SuiteName } from './suite-names.js';
import { createWasmSuite } from './wasm-suite.js';
import { sodiumX25519 } from './x25519.js';

/** A packet as bulk traffic has them, with its tag. */
const PACKET_BYTES = 1350;
/** A round seals this many packets with each suite in turn, and a suite's time is that of its best round. Together they
 *  take about a millisecond for two native suites, so that the result is not worth keeping in a file. */
const ROUND_PACKETS = 16;
const ROUNDS = 8;
/** A suite replaces an earlier one only if it takes at most this share of its time. Between equals, chance must not
 *  decide. */
const CLEARLY_FASTER = 0.9;

/** Makes a suite. It throws if this machine does not have what the suite needs. */
export type MakeSuite = () => CryptoSuite | Promise<CryptoSuite>;

export interface ChooseOptions {
  /** The suite to use, whatever its speed. */
  readonly name?: SuiteName | undefined;
  readonly log?: Log;
  /** Monotonic milliseconds with a fraction. */
  readonly now?: () => number;
  readonly makers?: Readonly<Record<SuiteName, MakeSuite>>;
}

const MAKERS: Readonly<Record<SuiteName, MakeSuite>> = {
  openssl: () => {
    const sodium = loadSodium();
    return createOpenSslSuite(required(loadOpenSsl()), sodium && sodiumX25519(sodium));
  },
  sodium: () => createSodiumSuite(required(loadSodium())),
  wasm: createWasmSuite,
  node: createNodeSuite,
  portable: createPortableSuite,
};

/** Suites of a kind are measured against each other. A kind is considered only if all before it are missing: a native
 *  suite is always faster than one of the second kind, which takes longer to load too. */
const KINDS: readonly (readonly SuiteName[])[] = [['openssl', 'sodium'], ['wasm', 'node'], ['portable']];

/** Returns the fastest suite that works here and gives the known answers. The portable suite needs nothing from the
 *  machine, so there always is one.
 *  @throws UnderpassError when the suite of that name does not work here */
export async function chooseSuite(options: ChooseOptions = {}): Promise<CryptoSuite> {
  const { name, log = silentLog, now = () => performance.now(), makers = MAKERS } = options;
  for (const kind of name === undefined ? KINDS : [[name]]) {
    const made = await Promise.all(kind.map((each) => orUndefined(makers[each])));
    const working = made.filter((suite) => suite !== undefined).filter(givesKnownAnswers);
    const measured = measure(working, now);
    const [fastest] = measured;
    if (fastest === undefined) continue;
    report(log, measured);
    return fastest.suite;
  }
  throw unusable(name);
}

/** The optional packages behind suites. */
const PACKAGES: Readonly<Partial<Record<SuiteName, string>>> = { openssl: 'koffi', sodium: 'sodium-native' };

function unusable(name: SuiteName | undefined): UnderpassError {
  if (name === undefined) {
    return new UnderpassError(
      'invalid-option',
      'no crypto suite works on this machine',
      'reinstall the program',
    );
  }
  const needed = PACKAGES[name];
  return new UnderpassError(
    'invalid-option',
    `the crypto suite '${name}' does not work on this machine`,
    `${needed === undefined ? '' : `it needs the package ${needed}: install it, or `}leave the choice to the program`,
  );
}

interface Measured {
  readonly suite: CryptoSuite;
  /** The time to seal one packet. */
  microseconds: number;
}

/** @returns the suites, the one to use first */
function measure(suites: readonly CryptoSuite[], now: () => number): readonly Measured[] {
  const measured = suites.map((suite): Measured => ({ suite, microseconds: Number.POSITIVE_INFINITY }));
  if (suites.length < 2) return measured;
  const aeads = suites.map((suite) => suite.aead(new Uint8Array(32)));
  const packet = new Uint8Array(PACKET_BYTES);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, entry] of measured.entries()) {
      const start = now();
      for (let packets = 0; packets < ROUND_PACKETS; packets++) {
        aeads[i]?.seal(round, packets, packet, 0, PACKET_BYTES - TAG_BYTES);
      }
      entry.microseconds = Math.min(entry.microseconds, (1000 * (now() - start)) / ROUND_PACKETS);
    }
  }
  for (const aead of aeads) aead.destroy();
  let first = 0;
  for (const [i, { microseconds }] of measured.entries()) {
    if (microseconds < CLEARLY_FASTER * (measured[first] as Measured).microseconds) first = i;
  }
  return [measured[first] as Measured, ...measured.filter((_, i) => i !== first)];
}

function report(log: Log, measured: readonly Measured[]): void {
  const times = measured.map(({ suite, microseconds }) => ({
    suite: suite.name,
    ...(Number.isFinite(microseconds) && { packetMicroseconds: Math.round(10 * microseconds) / 10 }),
  }));
  const text = times.map(({ suite, packetMicroseconds: time }) =>
    time === undefined ? suite : `${suite} ${time.toFixed(1)} µs a packet`,
  );
  log.debug({ event: 'suite', suite: times[0]?.suite, measured: times }, `crypto suite: ${text.join(', ')}`);
}

function required<T>(library: T | undefined): T {
  if (library === undefined) throw new Error('the library is not here');
  return library;
}

async function orUndefined(make: MakeSuite): Promise<CryptoSuite | undefined> {
  try {
    return await make();
  } catch {
    return undefined;
  }
}
