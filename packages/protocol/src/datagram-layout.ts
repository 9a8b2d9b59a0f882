/** What stands around the payload in a transport message (spec wire 2, session 6.5). WireGuard writes it, and whoever fills payloads has to
 *  leave room for it. Bytes. */

/** Type, receiver index and counter, in front of the payload. */
export const HEADER_BYTES = 16;
/** The authentication tag behind it. */
export const TAG_BYTES = 16;
export const TRANSPORT_OVERHEAD_BYTES: number = HEADER_BYTES + TAG_BYTES;
/** A payload is padded to a multiple of it. */
export const PADDING_BYTES = 16;
