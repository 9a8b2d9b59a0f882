export { type AllowRule, parseAllowRule } from './allow-rules.js';
export * from './forward-spec.js';
