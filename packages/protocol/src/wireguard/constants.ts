/** The numbers of the handshake and the session (docs/spec/handshake.md, docs/spec/session.md): first those of
 *  WireGuard's specification, then our own. Units stand at the end of the names; `_MS` is monotonic milliseconds. */
import { assert } from '../assert.js';

// ---- specification ------------------------------------------------------------------------------------------

/** The strings of spec handshake 1.2. */
export const CONSTRUCTION = 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s';
export const IDENTIFIER = 'WireGuard v1 zx2c4 Jason@zx2c4.com';
export const LABEL_MAC1 = 'mac1----';
export const LABEL_COOKIE = 'cookie--';

/** When the initiator of a keypair sends and the keypair is older than this, it starts a handshake
 *  (spec session 5.2). */
export const REKEY_AFTER_TIME_MS = 120_000;
/** At this age a keypair may no longer be used in either direction (spec session 5.1). */
export const REJECT_AFTER_TIME_MS = 180_000;
/** The least time between two initiations to one peer, and the interval between retries (spec session 5.5). */
export const REKEY_TIMEOUT_MS = 5_000;
/** Each retry is delayed by a random time of up to this, so that two sides do not keep colliding (spec session 5.5). */
export const REKEY_TIMEOUT_JITTER_MS = 333;
/** How long an initiator keeps trying without a response. */
export const REKEY_ATTEMPT_TIME_MS = 90_000;
/** A side that has received data and then sent nothing for this long sends a keepalive (spec session 6.2). */
export const KEEPALIVE_TIMEOUT_MS = 10_000;

/** How long a cookie is used, and how long the secret that cookies are made from (spec handshake 5.2, 5.4). */
export const COOKIE_REFRESH_MS = 120_000;
/** An initiation that comes this soon, or sooner, after the last accepted one of the same peer is dropped
 *  (spec handshake 3.4). */
export const HANDSHAKE_INITIATION_INTERVAL_MS = 20;

/** REJECT_AFTER_MESSAGES = 2^64 - 2^13 - 1, as two unsigned 32-bit halves: the first counter that must not be used
 *  (spec session 3.2). */
export const REJECT_AFTER_MESSAGES_HIGH = 0xffff_ffff;
export const REJECT_AFTER_MESSAGES_LOW = 0xffff_dfff;

/** The bits of the replay window. */
export const REPLAY_WINDOW_BITS = 8192;
/** A counter that is further than this below the greatest one is refused (spec session 4). */
export const REPLAY_WINDOW_SIZE = REPLAY_WINDOW_BITS - 64;

/** The bounds of the interval of persistent keepalives (spec session 6.4). */
export const MIN_PERSISTENT_KEEPALIVE_MS = 1_000;
export const MAX_PERSISTENT_KEEPALIVE_MS = 65_535_000;

// ---- derived ------------------------------------------------------------------------------------------------

/** When the initiator of a keypair receives and the keypair is older than this, it starts one handshake
 *  (spec session 5.3). */
export const REKEY_ON_RECEIVE_AFTER_MS = REJECT_AFTER_TIME_MS - KEEPALIVE_TIMEOUT_MS - REKEY_TIMEOUT_MS;
/** A side that has sent data and then received nothing for this long starts a handshake (spec session 5.4). */
export const NO_ANSWER_TIMEOUT_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;
/** Initiations sent before giving up: the first, one for each 5 s of the 90 s, and one more, as other WireGuard
 *  programs do (spec session 5.5). */
export const MAX_HANDSHAKE_TRIES = REKEY_ATTEMPT_TIME_MS / REKEY_TIMEOUT_MS + 2;

// ---- ours ---------------------------------------------------------------------------------------------------

/** After how many messages under one keypair a handshake starts, and after how many sending stops (spec session 3.2).
 *  They are stricter than the specification's 2^60 and 2^64 - 2^13 - 1, so that the send counter is an exact JavaScript
 *  number (docs/adr/0003-counters.md). */
export const REKEY_AFTER_MESSAGES = 2 ** 48;
export const REJECT_SEND_AFTER_MESSAGES = 2 ** 52;

/** The greatest number of peers of one endpoint. */
export const MAX_PEERS = 2 ** 16;

/** While there is no response: the delays before the first two copies of an initiation, each counted from the message
 *  before, and then the interval of further copies (spec session 5.7). */
export const INITIATION_COPY_MS = [400, 800] as const;
export const INITIATION_COPY_INTERVAL_MS = 1_000;
/** The delays before the two copies of a response, while the other side has not used its keypair. All three responses
 *  together are less than twice the size of the initiation that they answer, well below the limit of an unproven
 *  address (spec session 5.7). */
export const RESPONSE_COPY_MS = [300, 700] as const;

/** More messages 1 and 2 with a valid mac1 than this within one second mean that we are under load (spec handshake 6.1)
 *  ... */
export const UNDER_LOAD_HANDSHAKES_PER_SECOND = 128;
/** ... and we stay under load for this long after the last such moment. */
export const UNDER_LOAD_HOLD_MS = 1_000;

/** The token bucket of a source address, used under load for messages with a valid mac2 (spec handshake 6.3). */
export const RATE_LIMIT_PER_SECOND = 20;
export const RATE_LIMIT_BURST = 5;
/** A source that has been idle for this long is forgotten. Its bucket is full again by then. */
export const RATE_LIMIT_IDLE_MS = 1_000;
/** The greatest number of sources remembered at one time. Messages from further sources are dropped. */
export const MAX_RATE_LIMITED_SOURCES = 65_536;

/** The greatest number of cookie replies made in one window, which comes to 8,000 a second. When more are wanted,
 *  chance decides which ones are made (spec handshake 5.3). At 15,000 forged initiations a second, each message of an
 *  honest client has about one chance in two. */
export const COOKIE_REPLIES_PER_WINDOW = 160;
export const COOKIE_REPLY_WINDOW_MS = 20;

/** The greatest number of entries for timestamps ahead of our clock, per peer (spec handshake 3.3). A client whose
 *  clock is two hours ahead, and which renews its keys every two minutes, needs 60. */
export const MAX_STAMPS_AHEAD = 64;

/** A refused initiation whose timestamp is this far behind, or further, shows that the peer's clock went back
 *  (spec handshake 7). */
export const CLOCK_BEHIND_MS = 60_000;
/** The least time between two such reports about one peer. */
export const CLOCK_BEHIND_SILENCE_MS = 10_000;
/** The greatest number of reports about refused handshakes that wait to be polled. Further ones are dropped. */
export const MAX_HANDSHAKE_NEWS = 16;
/** How many proofs of unknown keys are checked, and how many unknown keys are reported, in a second and over all
 *  keys. */
export const UNKNOWN_KEY_CHECKS_PER_SECOND = 8;
export const UNKNOWN_KEY_EVENTS_PER_SECOND = 1;
/** The least time between two reports of the same unknown key. */
export const UNKNOWN_KEY_SILENCE_MS = 60_000;
/** How many reported keys are remembered for that. The one reported longest ago is forgotten first. */
export const MAX_REPORTED_KEYS = 16;

/** How many processes may share the peers of one key (spec session 3.3). */
export const MAX_SHARDS = 8;

/** How many random indices are drawn before we conclude that the source of randomness is broken. */
export const MAX_INDEX_DRAWS = 64;

assert(MAX_SHARDS <= 256, 'a byte names every shard');
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
