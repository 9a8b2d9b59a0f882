/** Limits and defaults of user settings. */

/** The longest keepalive interval of WireGuard. */
export const MAX_KEEPALIVE_SECONDS = 65_535;
/** A year. */
export const MAX_OUTAGE_HOURS = 8_760;
/** The longest `idle_timeout_minutes`: a week. */
export const MAX_IDLE_TIMEOUT_MINUTES = 10_080;

/** The same as the relay's, which the command line would have to load to know it. */
export const MAX_WORKERS = 8;

/** About as long as a person waits before wondering whether anything happens. */
export const DEFAULT_CONNECT_TIMEOUT_SECONDS = 30;
export const MAX_CONNECT_TIMEOUT_SECONDS = 86_400;
/** How long a target may take for TLS when undici connects through the library. */
export const TLS_HANDSHAKE_LIMIT_MS = 30_000;

/** The rule for names of peers and saved relays, for messages. */
export const NAME_WORDS =
  '1 to 64 letters, digits, dots, dashes and underscores, of which the first is a letter or digit';

/** How many invites a relay keeps, including used and expired ones within `INVITE_GRACE_MS`. */
export const MAX_INVITES = 256;
export const DEFAULT_INVITE_MS = 24 * 3_600_000;
export const MIN_INVITE_MS = 60_000;
/** 30 days. */
export const MAX_INVITE_MS = 30 * 24 * 3_600_000;
/** How long after its end an invite is kept, so that its holder learns that it is used or expired: 7 days. */
export const INVITE_GRACE_MS = 7 * 24 * 3_600_000;
