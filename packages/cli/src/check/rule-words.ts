/** Says in words what a rule permits (spec forwarding 3, spec reverse 3). */
import type { AllowRule, ListenRule } from '@underpass/forward';

interface Ports {
  readonly lowestPort: number;
  readonly highestPort: number;
}

/** @returns for example `every name below example.org, not example.org itself, on port 443` */
export function allowWords(rule: AllowRule): string {
  const { match, protocol } = rule;
  if (match.kind === 'unix') return `the unix socket ${match.path} of the relay's machine`;
  return `${hostWords(rule)}, ${portWords(rule, protocol === 'udp' ? 'UDP port' : 'port')}`;
}

function hostWords({ match, text }: AllowRule): string {
  const host = text.replace(/:[^:]*$/, '');
  switch (match.kind) {
    case 'any':
      return 'every name and every public address';
    case 'below':
      return `every name below ${match.parent}, not ${match.parent} itself`;
    case 'name':
      return `the name ${match.name}`;
    case 'networks':
      if (host === 'localhost') return "the relay's own machine (localhost)";
      return host.includes('/') ? `every address in ${host}` : `the address ${host}`;
    case 'unix':
      return text;
  }
}

/** @returns for example `port 8080 of the relay's machine, for programs there` */
export function listenWords(rule: ListenRule): string {
  if (rule.bind.startsWith('/')) return `the unix socket ${rule.bind} of the relay's machine`;
  const where = { localhost: 'for programs there', '*': 'for everybody who reaches it' }[rule.bind];
  return `${portWords(rule, 'port').replace(/^on /, '')} of the relay's machine, ${where ?? `at its address ${rule.bind}`}`;
}

function portWords({ lowestPort, highestPort }: Ports, noun: string): string {
  if (lowestPort === highestPort) return `on ${noun} ${lowestPort}`;
  if (lowestPort === 1 && highestPort === 65_535) return `on every ${noun}`;
  return `on ${noun}s ${lowestPort} to ${highestPort}`;
}

/** Whether the rule names something whose address is unknown until it is asked for. */
export function isForNames({ match }: AllowRule): boolean {
  return match.kind === 'name' || match.kind === 'below' || match.kind === 'any';
}
