/** The layout of a transport message around its payload (spec wire 2, session 6.5). WireGuard writes these bytes, and
 *  whoever fills a payload has to leave room for them. */

/** Type, receiver index and counter, in front of the payload. */
export const HEADER_BYTES = 16;
/** The authentication tag, behind the payload. */
export const TAG_BYTES = 16;
/** How much larger a transport message is than its payload. */
export const TRANSPORT_OVERHEAD_BYTES: number = HEADER_BYTES + TAG_BYTES;
/** A payload is padded to a multiple of this. */
export const PADDING_BYTES = 16;
