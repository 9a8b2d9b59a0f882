/** What a peer may do, as `[[peer]]` in relay.toml and the relay's store both write it. */
import type { AllowRule, ListenRule, MaxRate } from '@underpass/forward';
import * as z from 'zod/mini';
import { allowField, listenRuleField, maxRateField } from './fields.js';

/** The keys of the rules in a peer's table. */
export const peerRulesShape = {
  allow: z.array(allowField, { error: 'a list of rules, for example ["localhost:80"]' }),
  allow_listen: z.optional(z.array(listenRuleField, { error: 'a list of rules, for example ["8080"]' })),
  max_rate: z.optional(maxRateField),
};

export interface PeerRules {
  readonly allow: readonly AllowRule[];
  readonly allowListen?: readonly ListenRule[];
  readonly maxRate?: MaxRate;
}

export function peerRulesOf(table: z.output<z.ZodMiniObject<typeof peerRulesShape>>): PeerRules {
  const { allow, allow_listen: allowListen, max_rate: maxRate } = table;
  return { allow, ...(allowListen && { allowListen }), ...(maxRate && { maxRate }) };
}

/** The rules of something that has more than rules. */
export function onlyRules({ allow, allowListen, maxRate }: PeerRules): PeerRules {
  return { allow, ...(allowListen && { allowListen }), ...(maxRate && { maxRate }) };
}

/** The reverse: a table for a TOML file. */
export function peerRulesTable({
  allow,
  allowListen = [],
  maxRate,
}: PeerRules): Readonly<Record<string, unknown>> {
  return {
    allow: allow.map(({ text }) => text),
    ...(allowListen.length > 0 && { allow_listen: allowListen.map(({ text }) => text) }),
    ...(maxRate && { max_rate: maxRate.text }),
  };
}

/** `may reach localhost:80, and may listen on 8080, at most 10 MB/s in each direction`, behind the peer's name. */
export function rulesText({ allow, allowListen = [], maxRate }: PeerRules): string {
  const reach = `may reach ${listOf(allow)}`;
  const listen = allowListen.length === 0 ? '' : `, and may listen on ${listOf(allowListen)}`;
  return `${reach}${listen}${maxRate === undefined ? '' : `, ${rateWords(maxRate)}`}`;
}

export function rateWords({ text }: MaxRate): string {
  return `at most ${text} in each direction`;
}

function listOf(rules: readonly { readonly text: string }[]): string {
  return rules.length === 0 ? 'nothing' : rules.map(({ text }) => text).join(', ');
}
