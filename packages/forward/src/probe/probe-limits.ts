/** Limits of probes (docs/spec/probe.md §3). */

/** How many bytes a probe may carry in each direction. */
export const MAX_PROBE_BYTES = 64 * 1024 * 1024;
/** How many probes of one peer are served at a time. */
export const MAX_PROBES_PER_PEER = 2;
export const PROBE_TIMEOUT_MS = 60_000;
/** How many bytes are written to a stream at once. */
export const PROBE_CHUNK_BYTES = 64 * 1024;
