/** The client's own times and limits. */

/** How long the relay may be silent, while an answer is due, before its name is looked up again (spec outage 6). */
export const SILENCE_MS = 10_000;
/** From one of the relay's addresses to the next at first (spec outage 7; RFC 8305 §5) ... */
export const ATTEMPT_DELAY_MS = 250;
/** ... and once each was tried. */
export const NEXT_ATTEMPT_DELAY_MS = 1_000;
/** Addresses of the relay's name that are tried. */
export const MAX_RELAY_ADDRESSES = 6;
/** From a lookup that failed to the next, while there is no address yet (spec outage 6): first, and at most. */
export const MIN_LOOKUP_RETRY_MS = 1_000;
export const MAX_LOOKUP_RETRY_MS = 15_000;
/** How long a start waits for the first lookup, when a name that does not exist is to end it. */
export const FIRST_LOOKUP_MS = 3_000;

/** A program's connection waits for so long for the first contact with a relay, unless the options say otherwise (spec
 *  outage 8). */
export const DEFAULT_CONTACT_LIMIT_MS = 30_000;

/** Programs that wait for a place among those that are carried, and for how long while the relay answers (spec
 *  forwarding 2.5). */
export const MAX_WAITING_PROGRAMS = 1024;
export const PLACE_TIMEOUT_MS = 10_000;

/** When the reason is looked for why nothing is heard: later than any handshake on a good path. */
export const ASK_WHY_MS = 2_500;
/** When 'no answer' is first reported, and then again and again. */
export const NO_ANSWER_MS = 10_000;
export const NO_ANSWER_AGAIN_MS = 180_000;
