import { type AllowRule, parseAllowRule } from '../src/allow-rules.js';

export function rules(...texts: readonly string[]): AllowRule[] {
  return texts.map((text) => {
    const rule = parseAllowRule(text);
    if ('reason' in rule) throw new Error(rule.reason);
    return rule;
  });
}
