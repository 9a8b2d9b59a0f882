/** Limits of the inspector's page. */

/** How many samples are plotted: five minutes of four a second. */
export const MAX_LIVE_SAMPLES = 1200;
/** How many datagrams are listed. */
export const MAX_LIVE_DATAGRAMS = 200;
/** The longest snapshot that the page reads. The server's limit is lower. */
export const MAX_SNAPSHOT_CHARACTERS = 1024 * 1024;
/** How long to wait before the page asks again, when the process does not answer. */
export const RETRY_MS = 2_000;
