/** Intervals and limits of the client. */

/** How long an answer of the relay may be overdue before its name is looked up again (spec outage 6). */
export const SILENCE_MS = 10_000;
/** How many such intervals without an answer make the client switch to another port, and how many more make it do so again
 *  (spec outage 10). */
export const PORT_CHANGE_INTERVALS = 3;
export const NEXT_PORT_CHANGE_INTERVALS = 6;
/** How long to wait before trying the relay's next address (spec outage 7; RFC 8305 §5) ... */
export const ATTEMPT_DELAY_MS = 250;
/** ... and how long once every address was tried. */
export const NEXT_ATTEMPT_DELAY_MS = 1_000;
/** How many of the relay's addresses are tried. */
export const MAX_RELAY_ADDRESSES = 6;
/** How long to wait after a failed lookup before the next one, at first and at most (spec outage 6). */
export const MIN_LOOKUP_RETRY_MS = 1_000;
export const MAX_LOOKUP_RETRY_MS = 15_000;
/** How long the start waits for the first lookup, if a name that does not exist should end it. */
export const FIRST_LOOKUP_MS = 3_000;

/** How long a local connection waits for first contact with the relay, by default (spec outage 8). */
export const DEFAULT_CONTACT_LIMIT_MS = 30_000;

/** How many local connections may wait for a place, and for how long while the relay answers (spec forwarding 2.5). */
export const MAX_WAITING_PROGRAMS = 1024;
export const PLACE_TIMEOUT_MS = 10_000;

/** When to look for the cause of silence: later than any handshake on a good path. */
export const FIND_CAUSE_MS = 2_500;
/** When `no-answer` is first reported, and the interval after that. */
export const NO_ANSWER_MS = 10_000;
export const NO_ANSWER_INTERVAL_MS = 180_000;

/** How long an enrolling client waits for first contact with the relay, and then for the relay's answer. */
export const ENROL_CONTACT_MS = 15_000;
export const ENROL_ANSWER_MS = 30_000;

/** How long a reverse forward waits before it asks the relay again, at first and at most (spec reverse 2). */
export const MIN_LISTEN_RETRY_MS = 5_000;
export const MAX_LISTEN_RETRY_MS = 60_000;
/** The same after the relay has removed this client, or given its place to another one with the same key ... */
export const MIN_UNWELCOME_MS = 60_000;
export const MAX_UNWELCOME_MS = 600_000;
/** ... how long each of these attempts lasts ... */
export const UNWELCOME_ATTEMPT_MS = 30_000;
/** ... and how long a listener has to last until this is forgotten. Another client with the same key has asked by then. */
export const WELCOME_MS = 2 * MAX_UNWELCOME_MS;
