/** What a peer may do, as `[[peer]]` in relay.toml and the relay's store both write it. */
import type { AllowRule, ListenRule } from '@underpass/forward';
import * as z from 'zod';
import { allowField, listenRuleField } from './fields.js';

/** The keys of the rules in a peer's table. */
export const peerRulesShape = {
  allow: z.array(allowField, { error: 'a list of rules, for example ["localhost:80"]' }),
  allow_listen: z.array(listenRuleField, { error: 'a list of rules, for example ["8080"]' }).optional(),
};

export interface PeerRules {
  readonly allow: readonly AllowRule[];
  readonly allowListen?: readonly ListenRule[];
}

export function peerRulesOf(table: z.output<z.ZodObject<typeof peerRulesShape>>): PeerRules {
  const { allow, allow_listen: allowListen } = table;
  return { allow, ...(allowListen && { allowListen }) };
}

/** The reverse: a table for a TOML file. */
export function peerRulesTable({ allow, allowListen = [] }: PeerRules): Readonly<Record<string, unknown>> {
  return {
    allow: allow.map(({ text }) => text),
    ...(allowListen.length > 0 && { allow_listen: allowListen.map(({ text }) => text) }),
  };
}

/** `may reach localhost:80, and may listen on 8080`, behind the peer's name. */
export function rulesText({ allow, allowListen = [] }: PeerRules): string {
  const reach = `may reach ${listOf(allow)}`;
  return allowListen.length === 0 ? reach : `${reach}, and may listen on ${listOf(allowListen)}`;
}

function listOf(rules: readonly { readonly text: string }[]): string {
  return rules.length === 0 ? 'nothing' : rules.map(({ text }) => text).join(', ');
}
