/** Limits of forwarding: the specification's first (docs/spec/forwarding.md), then our own. */
import { assert, MAX_OPEN_STREAMS, RECEIVE_BLOCK_BYTES } from '@underpass/protocol';

// ---- specification ------------------------------------------------------------------------------------------

/** How long a request may take to arrive in full (spec forwarding 2.3). */
export const REQUEST_TIMEOUT_MS = 10_000;
/** How long resolution and all attempts to connect may take together (spec forwarding 2.4). */
export const DIAL_TIMEOUT_MS = 10_000;
/** How many permitted addresses of one name are tried (spec forwarding 2.4). */
export const MAX_DIAL_ADDRESSES = 6;
/** How long to wait for one address before also trying the next (spec forwarding 2.4; RFC 8305 §5). */
export const CONNECTION_ATTEMPT_DELAY_MS = 250;
/** How many addresses of one name are considered; the rest of a longer answer is ignored (spec forwarding 2.4). */
export const MAX_ANSWER_ADDRESSES = 64;
/** How many of a peer's requests may resolve or dial at once, over all targets (spec forwarding 2.5). Each of them may
 *  have `MAX_DIAL_ADDRESSES` attempts under way. */
export const MAX_DIALS_PER_PEER = 512;
/** How many connections and flows of a peer may start in a second, after a burst (spec forwarding 2.5). */
export const DIALS_PER_SECOND = 500;
export const DIALS_BURST = 1024;
/** How many of a peer's requests may wait for a dial (spec forwarding 2.5). */
export const MAX_WAITING_DIALS = 1024;
/** A lookup counts as quick until it has taken `SLOW_LOOKUP_MS`, and as slow from then on (spec forwarding 2.5). */
export const SLOW_LOOKUP_MS = 250;
export const MAX_LOOKUPS_PER_PEER = 4;
export const MAX_SLOW_LOOKUPS_PER_PEER = 8;
/** The same limits over all peers. `MAX_LOOKUPS` counts quick and slow ones together. */
export const MAX_SLOW_LOOKUPS = 24;
export const MAX_LOOKUPS = 32;
/** How many flows of a peer a relay has at a time (spec forwarding 5.4), and how many a forward of a client has. */
export const MAX_FLOWS_PER_PEER = 512;
export const MAX_FLOWS_PER_FORWARD = 256;
/** When a flow without messages ends (spec forwarding 5.3; RFC 4787 REQ-5), and when one to a DNS server does. */
export const FLOW_IDLE_MS = 120_000;
export const DNS_FLOW_IDLE_MS = 10_000;
/** A flow that has had no message for this long, or one to a DNS server, may have to give its place to a new one (spec
 *  forwarding 5.4). */
export const EVICTED_IDLE_MS = 5_000;
export const DNS_EVICTED_IDLE_MS = 1_000;
/** How many messages of a flow wait for its status, and for how long (spec forwarding 5.1). */
export const MAX_WAITING_MESSAGES = 16;
export const MAX_MESSAGE_WAIT_MS = 5_000;
/** How many listeners a peer may have, and how many ports are tried when the relay chooses one (spec reverse 3, 7). */
export const MAX_LISTENERS_PER_PEER = 128;
export const MAX_CHOSEN_PORTS = 64;
/** How many connections of visitors a peer may have, and how many more may wait (spec reverse 7). */
export const MAX_VISITORS_PER_PEER = 1024;
export const MAX_WAITING_VISITORS = 1024;
/** How long a visitor waits for the client's status, and how long an answer of the client may be due before visitors
 *  are reset at once (spec reverse 6). */
export const VISITOR_TIMEOUT_MS = 30_000;
/** How many destinations of a flow without a fixed target are remembered, how many of their names are resolved at once,
 *  how many messages wait for each, and how long the address of an unused name is remembered (spec forwarding 5.7). */
export const MAX_DESTINATIONS = 256;
export const MAX_FLOW_LOOKUPS = 8;
export const MAX_MESSAGES_FOR_NAME = 4;
export const DESTINATION_NAME_MS = 60_000;
/** How many bytes a socket may hold that its program has not read (spec forwarding 4.4). */
export const SOCKET_BUFFER_BYTES = 256 * 1024;
/** How long nothing may move in a connection of which one direction has ended (spec forwarding 4.7; RFC 5382 REQ-5). */
export const HALF_CLOSED_IDLE_MS = 124 * 60_000;
/** How long a program may take to tell a dynamic forward its target, and in how many bytes (spec proxy 8). */
export const PROXY_REQUEST_TIMEOUT_MS = 10_000;
export const MAX_PROXY_REQUEST_BYTES = 8 * 1024;
/** How many connections to a dynamic forward may still have to do so (spec proxy 8). */
export const MAX_PROXY_DIALOGUES = 1024;
/** How long what a program sends is discarded after the answer of a failure (spec proxy 6). */
export const PROXY_LINGER_MS = 2_000;

// ---- ours ---------------------------------------------------------------------------------------------------

/** TCP connections of a client, or of one peer of a relay. The limit on streams is not enough: a connection outlives
 *  its stream while its program reads the last bytes. */
export const MAX_CONNECTIONS = 1024;
/** For how many of a peer's names we remember which address family connected first, and for how long. */
export const MAX_REMEMBERED_FAMILIES = 256;
export const FAMILY_MEMORY_MS = 10 * 60_000;
/** How many of a peer's slow names we remember. */
export const MAX_REMEMBERED_SLOW_NAMES = 256;
/** How many bytes one system call moves from a stream to a socket. */
export const GATHER_BYTES = 128 * 1024;
/** The fill level at which a socket asks its writer to wait: the largest default of any supported Node. */
const SOCKET_HIGH_WATER_BYTES = 64 * 1024;
/** After this long without traffic the kernel probes whether the other end still exists. */
export const TCP_KEEPALIVE_MS = 60_000;
/** How old a connection becomes, at most, before the kernel is told so; how many are told in one turn, which takes less
 *  than a millisecond, and when the next turn follows. */
export const KEEPALIVE_DELAY_MS = 5_000;
export const KEEPALIVES_PER_TURN = 128;
export const KEEPALIVE_TURN_MS = 100;
/** How many descriptors must be free before one is used for a connection; half of them stay in reserve (spec forwarding
 *  2.7). */
export const RESERVED_DESCRIPTORS = 16;
/** How long a look at the free descriptors counts. */
export const DESCRIPTOR_LOOK_MS = 1_000;
/** A shortage of descriptors is reported at most this often. */
export const DESCRIPTOR_WARNING_MS = 60_000;
/** How often a socket that Node does not poll is checked for whether its other end still exists (spec forwarding 4.6),
 *  and how many sockets are checked in one turn: 1,000 checks take about 3 ms. */
export const WATCH_INTERVAL_MS = 1_000;
export const WATCHED_PER_TURN = 128;
/** How often connections are checked for whether anything has moved. */
export const IDLE_CHECK_MS = 60_000;
/** A peer with a limited rate may carry what fits into this time at once. It is more than the process is usually kept from
 *  running, which would otherwise cost part of the rate ... */
export const RATE_BURST_MS = 200;
/** ... and one that has to wait, waits for this much more than it must (spec forwarding 4.8). */
export const RATE_TURN_MS = 5;
/** What fits into one TCP segment on any path (RFC 9293 §3.7.1). */
export const SMALLEST_SEGMENT_BYTES = 536;
/** How many connections may wait in a listener's kernel queue. */
export const LISTEN_BACKLOG = 511;
/** How often to look for a port that is free for both IPv4 and IPv6 when the system chooses it. */
export const MAX_SAME_PORT_TRIES = 10;

assert(MAX_CONNECTIONS >= MAX_OPEN_STREAMS, 'each stream can have a connection');
assert(MAX_FLOWS_PER_PEER < MAX_OPEN_STREAMS, 'flows leave streams for connections');
assert(MAX_FLOWS_PER_FORWARD < MAX_FLOWS_PER_PEER, 'a flow that ends here may not have ended there yet');
assert(MAX_DIALS_PER_PEER < MAX_CONNECTIONS, 'dials count as connections');
assert(MAX_SLOW_LOOKUPS_PER_PEER < MAX_SLOW_LOOKUPS, "one peer's slow names leave places for other peers");
assert(MAX_SLOW_LOOKUPS + MAX_LOOKUPS_PER_PEER <= MAX_LOOKUPS, 'slow names leave places for quick ones');
assert(MAX_WAITING_DIALS >= MAX_OPEN_STREAMS, 'each stream can wait for its dial');
assert(
  SOCKET_HIGH_WATER_BYTES + GATHER_BYTES + RECEIVE_BLOCK_BYTES <= SOCKET_BUFFER_BYTES,
  'a gathered write to a nearly full socket stays within its limit',
);
