/** Checks which secrets are left in memory, with a suite that records every buffer passed to it or returned by it
 *  (spec session 8). */
import { type Aead, type CryptoSuite, wipe } from '@underpass/protocol';
import { createInsecureTestSuite } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';
import { UNDER_LOAD_HANDSHAKES_PER_SECOND } from '../../src/wireguard/constants.js';
import { CookieChecker, CookieJar } from '../../src/wireguard/cookie.js';
import { mac1Key, writeMacs } from '../../src/wireguard/mac.js';
import { countingRandom, SessionPair } from './session-pair.js';

const PRESHARED = new Uint8Array(32).fill(0x5a);
const DATA = Uint8Array.of(1, 2, 3);

/** A buffer that once held a secret, and what it was. */
interface Secret {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** A crypto suite, and a source of randomness, that record the buffers through which secrets pass. The recorder keeps
 *  the buffers themselves, not copies, so it sees later whether they were wiped. */
class RecordingSuite {
  readonly secrets: Secret[] = [];
  /** AEADs that were not destroyed. */
  readonly liveAeads = new Set<Aead>();
  readonly suite: CryptoSuite;
  hasStarted = false;

  constructor() {
    const inner = createInsecureTestSuite();
    this.suite = {
      ...inner,
      x25519: (privateKey, publicKey) => {
        this.#note('a private key', privateKey);
        return this.#note('a Diffie-Hellman result', inner.x25519(privateKey, publicKey));
      },
      x25519PublicKey: (privateKey) => {
        // Before the start it is the caller's own private key.
        if (this.hasStarted) this.#note('an ephemeral key', privateKey);
        return inner.x25519PublicKey(privateKey);
      },
      hmac: (key, input) => {
        this.#note('a chaining key', key);
        this.#note('what is mixed in', input);
        return this.#note('a derived key', inner.hmac(key, input));
      },
      aead: (key) => {
        this.#note('an AEAD key', key);
        return this.#recordingAead(inner.aead(key));
      },
      xaeadSeal: (key, ...parameters) => {
        this.#note('the sealing key of the guard', key);
        return inner.xaeadSeal(key, ...parameters);
      },
      xaeadOpen: (key, ...parameters) => {
        const cookie = inner.xaeadOpen(key, ...parameters);
        if (cookie !== undefined) this.secrets.push({ what: 'a cookie', bytes: cookie });
        this.#note('the key of cookie replies', key);
        return cookie;
      },
    };
  }

  /** Records the buffers that the source itself returns. */
  readonly random =
    (source: (length: number) => Uint8Array) =>
    (length: number): Uint8Array => {
      const drawn = source(length);
      return length === 32 ? (this.#note('a drawn key', drawn) as Uint8Array) : drawn;
    };

  /** Lists the buffers that were not wiped, without those for which `isExpected` is true. */
  left(isExpected: (bytes: Uint8Array) => boolean = () => false): string[] {
    return this.secrets
      .filter(({ bytes }) => bytes.some((byte) => byte !== 0) && !isExpected(bytes))
      .map(({ what, bytes }) => `${what}: ${bytes.length} bytes, ${bytes.subarray(0, 4).join(' ')} ...`);
  }

  #note<T extends Uint8Array | undefined>(what: string, bytes: T): T {
    const isKnown = bytes === undefined || this.secrets.some((secret) => secret.bytes === bytes);
    if (bytes !== undefined && bytes.length >= 32 && !isKnown) this.secrets.push({ what, bytes });
    return bytes;
  }

  #recordingAead(inner: Aead): Aead {
    const live = this.liveAeads;
    const aead: Aead = {
      seal: (...parameters) => inner.seal(...parameters),
      open: (...parameters) => inner.open(...parameters),
      destroy() {
        live.delete(aead);
        inner.destroy();
      },
    };
    live.add(aead);
    return aead;
  }
}

function recordedPair(presharedKey: Uint8Array | undefined = PRESHARED) {
  const recorder = new RecordingSuite();
  const pair = new SessionPair({
    suite: recorder.suite,
    random: (seed) => recorder.random(countingRandom(seed)),
    ...(presharedKey && { presharedKey }),
  });
  recorder.hasStarted = true;
  const publicKeys = [pair.a.core.publicKey, pair.b.core.publicKey];
  const secrets = [pair.a, pair.b].map(({ peer }) => peer.staticStatic as Uint8Array);
  /** Whether bytes may stay while the process or the peer lives: private keys, their shared secret, the preshared
   *  key. */
  const livesOn = (bytes: Uint8Array): boolean =>
    isEphemeralPublic(bytes) ||
    [...publicKeys, ...secrets, PRESHARED, countingRandom(1)(32), countingRandom(2)(32)].some((known) =>
      isSame(known, bytes),
    );
  /** Whether bytes are an ephemeral public key, which is mixed in as it stands in the message. */
  const isEphemeralPublic = (bytes: Uint8Array): boolean =>
    pair.sent.some(({ name, bytes: message }) => {
      const offset = name === 'initiation' ? 8 : 12;
      return isSame(message.subarray(offset, offset + 32), bytes);
    });
  return { pair, recorder, livesOn, isPublic: (bytes: Uint8Array) => isEphemeralPublic(bytes) };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Brings B under load, so that it asks for cookies. */
function floodB(pair: SessionPair, suite: CryptoSuite): void {
  const strange = new Uint8Array(148);
  strange[0] = 1;
  writeMacs(suite, mac1Key(suite, pair.b.core.publicKey), undefined, strange);
  for (let i = 0; i < UNDER_LOAD_HANDSHAKES_PER_SECOND; i++) {
    pair.receive(pair.b, strange, { address: `203.0.113.${i}`, port: 5 });
  }
}

/** Recognizes the hash of CONSTRUCTION. It is not a secret, but every handshake starts from it as its chaining key. */
function isConstant(recorder: RecordingSuite) {
  const start = recorder.suite.hash(new TextEncoder().encode('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s'));
  return (bytes: Uint8Array): boolean => isSame(start, bytes);
}

describe('a handshake leaves no secrets in memory (spec session 8.1)', () => {
  it('when it is complete, except the keys of the session', () => {
    const { pair, recorder, livesOn } = recordedPair();
    pair.connect();
    expect(pair.send(pair.a, DATA)).toBe(true);
    expect(recorder.secrets.length).toBeGreaterThan(20);
    const constant = isConstant(recorder);
    expect(recorder.left((bytes) => livesOn(bytes) || constant(bytes))).toEqual([]);
    expect(recorder.liveAeads.size).toBe(4);
  });

  it('when it got no response and was given up', () => {
    const { pair, recorder, livesOn } = recordedPair();
    pair.deliver = () => false;
    pair.connect();
    pair.runUntil(120_000);
    expect(pair.sent.length).toBeGreaterThan(20);
    const constant = isConstant(recorder);
    expect(recorder.left((bytes) => livesOn(bytes) || constant(bytes))).toEqual([]);
    expect(recorder.liveAeads.size).toBe(0);
  });

  it('when the initiator is unknown, or its message was altered', () => {
    for (const alter of [0, 1]) {
      const { pair, recorder, livesOn } = recordedPair();
      if (alter === 0) pair.b.core.removePeer(pair.b.peer);
      pair.deliver = () => false;
      pair.connect();
      const message = pair.sent[0]?.bytes.slice() as Uint8Array;
      // The timestamp is overwritten, but mac1 is valid all the same.
      if (alter === 1) message.fill(0, 88, 104);
      writeMacs(recorder.suite, mac1Key(recorder.suite, pair.b.core.publicKey), undefined, message);
      pair.receive(pair.b, message, pair.a.address);
      pair.a.peer.dropKeypairs();
      expect(pair.b.drops).toEqual([alter === 0 ? 'unknown-peer' : 'handshake-failed']);
      const constant = isConstant(recorder);
      expect(recorder.left((bytes) => livesOn(bytes) || constant(bytes))).toEqual([]);
      expect(recorder.liveAeads.size).toBe(0);
    }
  });
});

describe('the keys of sessions (spec session 8.1)', () => {
  it('belong to three keypairs at most, however often they are renewed', () => {
    const { pair, recorder } = recordedPair();
    for (let round = 1; round <= 10; round++) {
      pair.connect();
      pair.send(pair.a, DATA);
      expect(recorder.liveAeads.size).toBeLessThanOrEqual(2 * 2 * 3);
      pair.runUntil(round * 6_000);
    }
    expect(pair.a.peer.stats.handshakes).toBe(10);
    expect(recorder.liveAeads.size).toBe(2 * 2 * 2);
  });

  it('are wiped when they are 180 s old', () => {
    const { pair, recorder } = recordedPair();
    pair.connect();
    pair.runUntil(6_000);
    pair.connect();
    pair.deliver = () => false;
    pair.runUntil(179_999);
    expect(recorder.liveAeads.size).toBe(8);
    pair.runUntil(180_000);
    expect(recorder.liveAeads.size).toBe(4);
    pair.runUntil(186_000);
    expect(recorder.liveAeads.size).toBe(0);
  });
});

describe('the secrets of a peer (spec session 8.1)', () => {
  it('are wiped when it is removed, and the private key when WireGuard is closed', () => {
    const { pair, recorder, isPublic } = recordedPair();
    pair.connect();
    pair.send(pair.a, DATA);
    const constant = isConstant(recorder);
    for (const { core, peer } of [pair.a, pair.b]) core.removePeer(peer);
    expect(recorder.liveAeads.size).toBe(0);
    for (const { core } of [pair.a, pair.b]) core.close();
    const publicKeys = [pair.a.core.publicKey, pair.b.core.publicKey];
    const isKnown = (bytes: Uint8Array): boolean =>
      isPublic(bytes) || constant(bytes) || publicKeys.some((key) => isSame(key, bytes));
    expect(recorder.left(isKnown)).toEqual([]);
  });

  it('include the cookies that it gave, and the key that opens them', () => {
    const { pair, recorder } = recordedPair();
    const { suite } = recorder;
    floodB(pair, suite);
    pair.connect();
    const kept = recorder.secrets.filter(({ what }) => what.includes('cookie'));
    expect(kept.map(({ what }) => what)).toEqual(['a cookie', 'the key of cookie replies']);
    expect(kept.every(({ bytes }) => bytes.some((byte) => byte !== 0))).toBe(true);
    pair.a.core.removePeer(pair.a.peer);
    expect(kept.filter(({ bytes }) => bytes.some((byte) => byte !== 0))).toEqual([]);
  });

  it('and those that cookies are made from are wiped when WireGuard is closed', () => {
    const { pair, recorder, isPublic } = recordedPair();
    const { suite } = recorder;
    floodB(pair, suite);
    pair.connect();
    expect(pair.b.drops).toContain('cookie-required');
    expect(recorder.secrets.filter(({ what }) => what.includes('guard'))).toHaveLength(1);
    const constant = isConstant(recorder);
    for (const { core } of [pair.a, pair.b]) core.close();
    const publicKeys = [pair.a.core.publicKey, pair.b.core.publicKey];
    const isKnown = (bytes: Uint8Array): boolean =>
      isPublic(bytes) || constant(bytes) || publicKeys.some((key) => isSame(key, bytes));
    expect(recorder.left(isKnown)).toEqual([]);
  });

  it('include the preshared key, which can be compared but not read', () => {
    const { pair } = recordedPair();
    const other = PRESHARED.slice();
    other[31] = (other[31] as number) ^ 1;
    expect(pair.a.peer.hasPresharedKey(PRESHARED)).toBe(true);
    expect(pair.a.peer.hasPresharedKey(other)).toBe(false);
    expect(pair.a.peer.hasPresharedKey(undefined)).toBe(false);
    const without = new SessionPair();
    expect(without.a.peer.hasPresharedKey(undefined)).toBe(true);
    expect(without.a.peer.hasPresharedKey(PRESHARED)).toBe(false);
  });

  it('include a copy of the preshared key, so the caller may wipe its own', () => {
    const mine = PRESHARED.slice();
    const { pair } = recordedPair(mine);
    wipe(mine);
    expect(pair.a.peer.hasPresharedKey(PRESHARED)).toBe(true);
    pair.connect();
    expect(pair.send(pair.a, DATA)).toBe(true);
  });
});

describe('cookies (spec handshake 5)', () => {
  const SENDER = { address: '192.0.2.1', port: 1 };
  const isWiped = (bytes: Uint8Array | undefined) => bytes?.every((byte) => byte === 0);

  /** A checker, its secrets, and a jar with a cookie of it. */
  function exchange() {
    const inner = createInsecureTestSuite();
    const secrets: Uint8Array[] = [];
    const keys: Uint8Array[] = [];
    const suite: CryptoSuite = {
      ...inner,
      mac: (key, input) => {
        secrets.push(key);
        return inner.mac(key, input);
      },
      xaeadSeal: (key, ...rest) => {
        keys.push(key);
        return inner.xaeadSeal(key, ...rest);
      },
      xaeadOpen: (key, ...rest) => {
        keys.push(key);
        return inner.xaeadOpen(key, ...rest);
      },
    };
    const publicKey = new Uint8Array(32).fill(9);
    const checker = new CookieChecker(suite, countingRandom(5), publicKey);
    const jar = new CookieJar(suite, publicKey);
    const message = new Uint8Array(148).fill(3);
    const give = (now: number) => {
      jar.noteSent(message);
      const reply = checker.createReply(message, 7, checker.cookie(now, SENDER));
      expect(jar.handleReply(now, reply)).toBeUndefined();
    };
    return { checker, jar, secrets, keys, give, message };
  }

  it('have secrets that are wiped when they are replaced, and when the checker is', () => {
    const { checker, secrets, keys, give } = exchange();
    give(0);
    const [first] = secrets.slice(-1);
    checker.cookie(119_999, SENDER);
    expect(isWiped(first)).toBe(false);
    checker.cookie(120_000, SENDER);
    expect(isWiped(first)).toBe(true);
    const [second] = secrets.slice(-1);
    expect(isWiped(second)).toBe(false);
    checker.wipe();
    expect([isWiped(second), isWiped(keys[0])]).toEqual([true, true]);
    // Nothing is made from a secret that was wiped.
    checker.cookie(120_001, SENDER);
    expect(secrets.slice(-1).map(isWiped)).toEqual([false]);
  });

  it('are wiped when they expire, when a newer one arrives, and with their jar', () => {
    const { jar, keys, give } = exchange();
    give(0);
    const first = jar.cookie(119_999);
    expect(isWiped(first)).toBe(false);
    expect(jar.cookie(120_000)).toBeUndefined();
    expect(isWiped(first)).toBe(true);
    give(130_000);
    const second = jar.cookie(130_000);
    give(131_000);
    expect(isWiped(second)).toBe(true);
    const third = jar.cookie(131_000);
    jar.wipe();
    expect([isWiped(third), jar.cookie(131_000)]).toEqual([true, undefined]);
    expect(isWiped(keys[1])).toBe(true);
  });

  it('are not accepted by a jar that was wiped, not even for a message that was sent before', () => {
    const { checker, jar, message } = exchange();
    jar.noteSent(message);
    const reply = checker.createReply(message, 7, checker.cookie(0, SENDER));
    jar.wipe();
    expect(jar.handleReply(0, reply)).toBe('unexpected-handshake');
  });
});
