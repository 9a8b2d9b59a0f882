/** Limits of the inspector (docs/cli.md, 'Inspector'). */

/** How many pages may be open at once. */
export const MAX_INSPECT_VIEWERS = 4;
/** How many connections may be open at once. A page takes one, and a few more while it loads. */
export const MAX_INSPECT_CONNECTIONS = 16;
/** How long a request may take to arrive. */
export const INSPECT_REQUEST_TIMEOUT_MS = 5_000;
/** The longest head of a request. */
export const MAX_INSPECT_HEAD_BYTES = 8 * 1024;

/** How many peers a page can choose from. */
export const MAX_INSPECT_PEERS = 256;
/** The least time between two snapshots. */
export const INSPECT_INTERVAL_MS = 250;
/** The share of time that making snapshots may take. If one takes longer, the next ones come later. */
export const MAX_INSPECT_SHARE = 0.01;
/** How many datagrams of a peer are shown in a snapshot. */
export const MAX_INSPECT_SAMPLES = 16;
/** No snapshot is longer (a test makes the longest). */
export const MAX_SNAPSHOT_BYTES = 128 * 1024;
/** How many snapshots in a row a page may fail to take before it is disconnected. */
export const MAX_MISSED_SNAPSHOTS = 120;
