/** How large a run may become, and the ranges of what a reader can set. A link from a stranger keeps to them too. */

/** Virtual time ends here. */
export const MAX_RUN_MS = 600_000;
/** A run ends when this many datagrams were sent. Each of them is kept, so that it can be opened. */
export const MAX_DATAGRAMS = 20_000;
export const MAX_ACTIONS = 200;
export const MAX_EVENTS = 2_000;
/** The longest fragment of an address that is read. */
export const MAX_LINK_CHARACTERS = 8_192;

/** How many clients there can be. */
export const MAX_CLIENTS = 3;

/** The longest transfer. */
export const MAX_TRANSFER_BYTES = 8_000_000;

/** How much of what was sealed, opened and multiplied is remembered. Beyond that, it is computed again. */
export const MAX_REMEMBERED_BYTES = 96 * 1024 * 1024;

/** How many explanations of datagrams are kept. The one made longest ago is forgotten first, and made again if it is
 *  asked for. */
export const MAX_EXPLANATIONS = 3_000;

/** The grid of the plots. */
export const SAMPLE_MS = 20;
