/** Limits of the metrics (docs/cli.md, 'Metrics and health'). */

/** How many peers have series of their own. The others are added up as the peer `(others)`. */
export const MAX_METRIC_PEERS = 256;
/** How many kinds of a system's send errors have series of their own. */
export const MAX_METRIC_ERROR_CODES = 32;
/** How many programs may be connected to the metrics port at once. */
export const MAX_METRICS_CONNECTIONS = 16;
/** How long a request may take to arrive. */
export const METRICS_REQUEST_TIMEOUT_MS = 5_000;
