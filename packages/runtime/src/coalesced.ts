/** Finds the datagrams in a message that the system has coalesced (UDP_GRO).
 *
 *  The system joins datagrams of one sender if all have the same size, except that the last may be shorter. Node hands
 *  over the joined bytes without that size (adr 0030). But every datagram is a WireGuard message (spec wire 2).
 *  Handshake messages have fixed sizes. A transport message begins with its type, three zero bytes and the receiver
 *  index, and consecutive ones nearly always have the same index. So the size is where those eight bytes appear again.
 *
 *  A wrong guess loses the datagrams of one message and nothing else, since each datagram has to authenticate. It takes
 *  a datagram that somebody else sent at the same moment with the same source address and size, or four bytes of a
 *  ciphertext that look like a type, which happens in one of several million datagrams. */

/** The smallest WireGuard message, a keepalive. */
const MIN_DATAGRAM_BYTES = 32;
/** Linux joins at most this many datagrams (UDP_MAX_SEGMENTS in linux/udp.h). */
export const MAX_COALESCED = 128;
/** The type and the index that follows it. */
const HEADER_BYTES = 8;
const TRANSPORT_TYPE = 4;
/** The size of an initiation, a response and a cookie reply, by type. */
const HANDSHAKE_BYTES = [0, 148, 92, 64];
/** How many possible sizes are compared in a message whose datagrams don't all begin with the same bytes. */
const MAX_CANDIDATES = 512;

/** Returns the size of each datagram in `message`; the last one may be shorter. It is the length of the message if
 *  there is only one.
 *  @param message  at most 64 KiB, as the system handed it over */
export function datagramBytesIn(message: Uint8Array): number {
  const { length } = message;
  const smallest = Math.max(MIN_DATAGRAM_BYTES, Math.ceil(length / MAX_COALESCED));
  if (length <= smallest) return length;
  if (hasType(message, 0)) {
    const handshakeBytes = HANDSHAKE_BYTES[message[0] as number];
    if (handshakeBytes !== undefined) return Math.min(handshakeBytes, length);
    const next = nextType(message, smallest);
    if (next < 0) return length;
    // Behind the header, because its counter may look like a type: after 65,536 datagrams its bytes are 0, 0, 1, 0, 0, 0.
    const second = nextType(message, next + MIN_DATAGRAM_BYTES);
    if (startsAll(message, next) && (second < 0 || second === 2 * next)) return next;
  }
  return likeliestBytes(message, smallest);
}

/** Whether every multiple of `size` begins with the first eight bytes of the message. */
function startsAll(message: Uint8Array, size: number): boolean {
  for (let at = size; at < message.length; at += size) if (!sameHeader(message, at)) return false;
  return true;
}

function sameHeader(message: Uint8Array, at: number): boolean {
  for (let i = 0; i < HEADER_BYTES; i++) if (message[at + i] !== message[i]) return false;
  return true;
}

/** The size at whose multiples the most messages begin, less those at which none does. Of two equally good sizes it is
 *  the smaller one. It serves where the receiver index changes, and where datagrams of somebody else are in between. */
function likeliestBytes(message: Uint8Array, smallest: number): number {
  let best = message.length;
  let bestScore = 0;
  let previous = 0;
  let at = nextType(message, smallest);
  for (let count = 0; at >= 0 && count < MAX_CANDIDATES; count++) {
    for (const size of [at - previous, at]) {
      if (size < smallest) continue;
      const score = scoreOf(message, size);
      if (score < bestScore || score === 0 || (score === bestScore && size >= best)) continue;
      best = size;
      bestScore = score;
    }
    previous = at;
    at = nextType(message, at + 1);
  }
  return best;
}

/** Where the type of a WireGuard message with its three zero bytes appears at `from` or later; -1 if nowhere. */
function nextType(message: Uint8Array, from: number): number {
  for (let zero = message.indexOf(0, from + 1); zero >= 0; zero = message.indexOf(0, zero + 1)) {
    if (hasType(message, zero - 1)) return zero - 1;
  }
  return -1;
}

function scoreOf(message: Uint8Array, size: number): number {
  let score = 0;
  for (let at = size; at < message.length; at += size) {
    score += isMessage(message, at, Math.min(size, message.length - at)) ? 1 : -1;
  }
  return score;
}

/** Whether a WireGuard message of this size may begin at `at`. */
function isMessage(message: Uint8Array, at: number, bytes: number): boolean {
  if (!hasType(message, at)) return false;
  const type = message[at] as number;
  return type === TRANSPORT_TYPE ? bytes >= MIN_DATAGRAM_BYTES : bytes === HANDSHAKE_BYTES[type];
}

function hasType(message: Uint8Array, at: number): boolean {
  const type = message[at] as number;
  return (
    type >= 1 &&
    type <= TRANSPORT_TYPE &&
    message[at + 1] === 0 &&
    message[at + 2] === 0 &&
    message[at + 3] === 0
  );
}
