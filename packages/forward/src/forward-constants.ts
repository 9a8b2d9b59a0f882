/** Limits of forwarding: the specification's first (docs/spec/forwarding.md), ours second. */
import { assert, MAX_OPEN_STREAMS, RECEIVE_BLOCK_BYTES } from '@underpass/protocol';

// ---- specification ------------------------------------------------------------------------------------------

/** A request must be complete within this (spec forwarding 2.3). */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Resolution and all attempts to connect together (spec forwarding 2.4). */
export const DIAL_TIMEOUT_MS = 10_000;
/** Permitted addresses of one name that are tried (spec forwarding 2.4). */
export const MAX_DIAL_ADDRESSES = 6;
/** The next address of a name is tried beside the one before after this (spec forwarding 2.4; RFC 8305 §5). */
export const CONNECTION_ATTEMPT_DELAY_MS = 250;
/** Addresses of one name that are looked at; the rest of a longer answer is ignored (spec forwarding 2.4). */
export const MAX_ANSWER_ADDRESSES = 64;
/** A peer's requests that are resolved or dialled at a time, over all targets (spec forwarding 2.5). Each may have an attempt to connect
 *  for each of `MAX_DIAL_ADDRESSES`. */
export const MAX_DIALS_PER_PEER = 512;
/** A peer's requests that wait for that (spec forwarding 2.5). */
export const MAX_WAITING_DIALS = 1024;
/** Names in resolution (spec forwarding 2.5). A quick one is slow once it has taken `SLOW_LOOKUP_MS`; those of one peer and ... */
export const SLOW_LOOKUP_MS = 250;
export const MAX_LOOKUPS_PER_PEER = 4;
export const MAX_SLOW_LOOKUPS_PER_PEER = 8;
/** ... those of all peers. */
export const MAX_SLOW_LOOKUPS = 24;
export const MAX_LOOKUPS = 32;
/** What a socket may hold of bytes that its program has not taken (spec forwarding 4.4). */
export const SOCKET_BUFFER_BYTES = 256 * 1024;

// ---- ours ---------------------------------------------------------------------------------------------------

/** TCP connections of a client, or of one peer of a relay. Streams are limited too, but a connection outlives its stream
 *  while its program takes the last bytes. */
export const MAX_CONNECTIONS = 1024;
/** Names of a peer of which is known whether IPv6 or IPv4 connected first, and for how long that counts: networks change. */
export const MAX_REMEMBERED_FAMILIES = 256;
export const FAMILY_MEMORY_MS = 10 * 60_000;
/** Names of a peer that were slow the last time. */
export const MAX_REMEMBERED_SLOW_NAMES = 256;
/** What one system call hands from a stream to a socket. */
export const GATHER_BYTES = 128 * 1024;
/** A socket asks for patience when it holds this much: the greatest default of any supported node. */
const SOCKET_HIGH_WATER_BYTES = 64 * 1024;
/** After so long without traffic the kernel asks whether the other end is still there. */
export const TCP_KEEPALIVE_MS = 60_000;
/** File descriptors that are looked for, and half of them kept, before one is taken for a connection (spec forwarding 2.7). */
export const RESERVED_DESCRIPTORS = 16;
/** A lack of them is reported this often at most. */
export const DESCRIPTOR_WARNING_MS = 60_000;
/** How often a socket that Node does not poll is asked whether the other end is still there (spec forwarding 4.6), and how many are asked
 *  in one turn: 1,000 questions take about 3 ms. */
export const WATCH_INTERVAL_MS = 1_000;
export const WATCHED_PER_TURN = 128;
/** Connections that a listener's kernel queue holds. */
export const LISTEN_BACKLOG = 511;
/** How often a port that is free for IPv4 and IPv6 is looked for when the system may choose. */
export const MAX_SAME_PORT_TRIES = 10;

assert(MAX_CONNECTIONS >= MAX_OPEN_STREAMS, 'each stream may have its connection');
assert(MAX_DIALS_PER_PEER < MAX_CONNECTIONS, 'connecting is a part of a connection');
assert(MAX_SLOW_LOOKUPS_PER_PEER < MAX_SLOW_LOOKUPS, 'the slow names of one peer leave some for others');
assert(MAX_SLOW_LOOKUPS + MAX_LOOKUPS_PER_PEER <= MAX_LOOKUPS, 'slow names leave some for quick ones');
assert(MAX_WAITING_DIALS >= MAX_OPEN_STREAMS, 'each stream may wait, and none is refused for it');
assert(
  SOCKET_HIGH_WATER_BYTES + GATHER_BYTES + RECEIVE_BLOCK_BYTES <= SOCKET_BUFFER_BYTES,
  'a gathered write on top of a socket that is nearly full stays within its limit',
);
