/** Limits of forwarding: the specification's first (docs/spec/forwarding.md), ours second. */

// ---- specification ------------------------------------------------------------------------------------------

/** A request must be complete within this (spec forwarding 2.3). */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Resolution and all attempts to connect together (spec forwarding 2.4). */
export const DIAL_TIMEOUT_MS = 10_000;
/** Permitted addresses of one name that are tried (spec forwarding 2.4). */
export const MAX_DIAL_ADDRESSES = 6;
/** A peer's requests between arrival and status (spec forwarding 2.5). */
export const MAX_DIALS_PER_PEER = 64;
/** Names in resolution, of one peer and of all (spec forwarding 2.5). */
export const MAX_LOOKUPS_PER_PEER = 4;
export const MAX_LOOKUPS = 16;
/** What a socket may hold of bytes that its program has not taken (spec forwarding 4.4). */
export const SOCKET_BUFFER_BYTES = 256 * 1024;

// ---- ours ---------------------------------------------------------------------------------------------------

/** After so long without traffic the kernel asks whether the other end is still there. */
export const TCP_KEEPALIVE_MS = 60_000;
/** Connections that a listener's kernel queue holds. */
export const LISTEN_BACKLOG = 511;
/** How often a port that is free for IPv4 and IPv6 is looked for when the system may choose. */
export const MAX_SAME_PORT_TRIES = 10;
