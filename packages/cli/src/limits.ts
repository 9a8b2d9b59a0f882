/** Bounds of what users may configure, and what holds where they do not. */

/** Largest keepalive that WireGuard knows. */
export const MAX_KEEPALIVE_SECONDS = 65_535;
/** A year. */
export const MAX_OUTAGE_HOURS = 8_760;

/** What a person waits for who wonders whether anything happens. */
export const DEFAULT_CONNECT_TIMEOUT_SECONDS = 30;
export const MAX_CONNECT_TIMEOUT_SECONDS = 86_400;
