/** WireGuard's numbers: the specification's first, ours second. All of docs/spec/session.md and handshake.md refers here.
 *  Durations are monotonic milliseconds unless the name says otherwise. */
import { assert } from '../assert.js';

// ---- specification ------------------------------------------------------------------------------------------

/** Spec handshake 1.2. */
export const CONSTRUCTION = 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s';
export const IDENTIFIER = 'WireGuard v1 zx2c4 Jason@zx2c4.com';
export const LABEL_MAC1 = 'mac1----';
export const LABEL_COOKIE = 'cookie--';

/** Spec session 5: age of a keypair after which its initiator, when it sends, starts a handshake. */
export const REKEY_AFTER_TIME_MS = 120_000;
/** Spec session 5: age at which a keypair is of no use in either direction. */
export const REJECT_AFTER_TIME_MS = 180_000;
/** Spec session 5: least time between two initiations to one peer, and the interval of retries. */
export const REKEY_TIMEOUT_MS = 5_000;
/** Spec session 5: each retry is later by a random time up to this. */
export const REKEY_TIMEOUT_JITTER_MS = 333;
/** Spec session 5: how long a handshake is tried for. */
export const REKEY_ATTEMPT_TIME_MS = 90_000;
/** Spec session 6: data received and nothing sent for this long: send a keepalive. */
export const KEEPALIVE_TIMEOUT_MS = 10_000;

/** Spec handshake 5: age of a cookie, and of the secret that cookies are made from. */
export const COOKIE_REFRESH_MS = 120_000;
/** Spec handshake 3.4: initiations of one peer that are no further apart than this are dropped. */
export const HANDSHAKE_INITIATION_INTERVAL_MS = 20;

/** REJECT_AFTER_MESSAGES = 2^64 - 2^13 - 1, as two unsigned 32-bit halves (spec session 3.2). */
export const REJECT_AFTER_MESSAGES_HIGH = 0xffff_ffff;
export const REJECT_AFTER_MESSAGES_LOW = 0xffff_dfff;

/** Spec session 4: a counter further behind the greatest one than this is refused. */
export const REPLAY_WINDOW_BITS = 8192;
export const REPLAY_WINDOW_SIZE = REPLAY_WINDOW_BITS - 64;

/** Spec session 6.4. */
export const MIN_PERSISTENT_KEEPALIVE_MS = 1_000;
export const MAX_PERSISTENT_KEEPALIVE_MS = 65_535_000;

// ---- derived ------------------------------------------------------------------------------------------------

/** Age at which the initiator, when it receives, starts one handshake. */
export const REKEY_ON_RECEIVE_AFTER_MS = REJECT_AFTER_TIME_MS - KEEPALIVE_TIMEOUT_MS - REKEY_TIMEOUT_MS;
/** Data sent and nothing received for this long: start a handshake. */
export const NO_ANSWER_TIMEOUT_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;
/** Initiations sent before giving up: the first, the 18 that fit into 90 s, and one more, as the known programs do. */
export const MAX_HANDSHAKE_TRIES = REKEY_ATTEMPT_TIME_MS / REKEY_TIMEOUT_MS + 2;

// ---- ours ---------------------------------------------------------------------------------------------------

/** Stricter than the specification's 2^60 and 2^64 - 2^13 - 1, so that the send counter is an exact JavaScript number
 *  (docs/adr/0003-counters.md). */
export const REKEY_AFTER_MESSAGES = 2 ** 48;
export const REJECT_SEND_AFTER_MESSAGES = 2 ** 52;

export const MAX_PEERS = 2 ** 16;

/** Spec session 5.7: when copies of an initiation without a response follow it, and then how often. */
export const INITIATION_COPY_MS = [400, 800] as const;
export const INITIATION_COPY_INTERVAL_MS = 1_000;
/** And copies of a response whose keypair was not used yet: three in all, less than 3 times what they answer. */
export const RESPONSE_COPY_MS = [300, 700] as const;

/** Spec handshake 6.1: more handshake messages with a right mac1 than this within a second mean being under load ... */
export const UNDER_LOAD_HANDSHAKES_PER_SECOND = 128;
/** ... and being so for at least this long after. */
export const UNDER_LOAD_HOLD_MS = 1_000;

/** Spec handshake 6.3: the token bucket of a source address that proved itself by its cookie. */
export const RATE_LIMIT_PER_SECOND = 20;
export const RATE_LIMIT_BURST = 5;
/** A source that was silent for this long is forgotten: its bucket is full again by then. */
export const RATE_LIMIT_IDLE_MS = 1_000;
/** Sources remembered at one time; further ones are refused. */
export const MAX_RATE_LIMITED_SOURCES = 65_536;

/** Spec handshake 5.3: cookie replies made in one window, 8,000 a second. Where more are wanted, chance decides. At 15,000 forged
 *  initiations a second each message of an honest client has one chance in two. */
export const COOKIE_REPLIES_PER_WINDOW = 160;
export const COOKIE_REPLY_WINDOW_MS = 20;
/** Spec handshake 3.3: stamps ahead of our clock that are remembered one by one for each peer. A client that is two hours ahead and renews
 *  its keys every two minutes needs 60. */
export const MAX_STAMPS_AHEAD = 64;
/** Spec handshake 7: refused handshakes that are so far behind the last accepted one come from a clock that went back, and how often one peer's
 *  clock is reported. */
export const CLOCK_BEHIND_MS = 60_000;
export const CLOCK_BEHIND_SILENCE_MS = 10_000;
/** Events about refused handshakes that wait to be polled; further ones are not made. */
export const MAX_HANDSHAKE_NEWS = 16;
/** Unknown keys: proofs checked and events made a second, over all keys, and how long a key that was reported is not reported again. */
export const UNKNOWN_KEY_CHECKS_PER_SECOND = 8;
export const UNKNOWN_KEY_EVENTS_PER_SECOND = 1;
export const UNKNOWN_KEY_SILENCE_MS = 60_000;
/** Unknown keys that are remembered as reported; the oldest is forgotten first. */
export const MAX_REPORTED_KEYS = 16;
/** Random indices drawn before concluding that the source of randomness is broken. */
export const MAX_INDEX_DRAWS = 64;

assert(REKEY_AFTER_MESSAGES < REJECT_SEND_AFTER_MESSAGES, 'a new handshake starts before sending is refused');
assert(Number.isSafeInteger(REJECT_SEND_AFTER_MESSAGES), 'the send counter stays exact');
assert(REKEY_AFTER_TIME_MS < REKEY_ON_RECEIVE_AFTER_MS, 'receiving is the second chance to renew a keypair');
assert(REKEY_ON_RECEIVE_AFTER_MS < REJECT_AFTER_TIME_MS, 'a keypair is renewed before it expires');
assert(Number.isInteger(MAX_HANDSHAKE_TRIES), 'tries are whole');
assert(
  REPLAY_WINDOW_BITS % 32 === 0 && REPLAY_WINDOW_SIZE <= REPLAY_WINDOW_BITS - 32,
  'one word of slack (RFC 6479)',
);
assert(
  (RATE_LIMIT_BURST * 1000) / RATE_LIMIT_PER_SECOND <= RATE_LIMIT_IDLE_MS,
  'forgetting a source gives it nothing',
);
