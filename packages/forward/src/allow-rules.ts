/** Who may reach what (spec forwarding 3, ADR 0004). STUB, filled in soon. */
import type { Refusal } from './forward-spec.js';

/** One line of a peer's `allow` list. Made by `parseAllowRule` only. */
export interface AllowRule {
  /** As it is shown and stored: normalised, and parsed again to an equal rule. */
  readonly text: string;
}

export function parseAllowRule(_text: string): AllowRule | Refusal {
  throw new Error('stub');
}
