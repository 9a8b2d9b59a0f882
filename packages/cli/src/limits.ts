/** Limits and defaults of user settings. */

/** The longest keepalive interval of WireGuard. */
export const MAX_KEEPALIVE_SECONDS = 65_535;
/** A year. */
export const MAX_OUTAGE_HOURS = 8_760;

/** About as long as a person waits before wondering whether anything happens. */
export const DEFAULT_CONNECT_TIMEOUT_SECONDS = 30;
export const MAX_CONNECT_TIMEOUT_SECONDS = 86_400;
