/** What a peer may do, as `[[peer]]` in relay.toml and the relay's store both write it. */
import type { AllowRule } from '@underpass/forward';
import * as z from 'zod';
import { allowField } from './fields.js';

/** The keys of the rules in a peer's table. */
export const peerRulesShape = {
  allow: z.array(allowField, { error: 'a list of rules, for example ["localhost:80"]' }),
};

export interface PeerRules {
  readonly allow: readonly AllowRule[];
}

export function peerRulesOf(table: z.output<z.ZodObject<typeof peerRulesShape>>): PeerRules {
  return { allow: table.allow };
}

/** The reverse: a table for a TOML file. */
export function peerRulesTable({ allow }: PeerRules): Readonly<Record<string, unknown>> {
  return { allow: allow.map(({ text }) => text) };
}
