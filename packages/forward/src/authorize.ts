/** Whether a peer's rules permit a target, before and after its name is resolved (spec forwarding 3.2 to 3.6, ADR 0004). */
import type { AllowRule } from './allow-rules.js';
import type { Target } from './forward-spec.js';
import { formatTarget } from './forward-spec.js';
import { formatAddress, type IpAddress, LOOPBACK_ADDRESSES, parseAddress, parseHost } from './host.js';
import { contains, liesWithin, type SpecialBlock, singleAddress, specialBlockOf } from './special-purpose.js';

/** What is to be done for a request. */
export type TargetVerdict =
  /** The addresses in question are known: judge them. */
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  /** Resolve `name`, then judge what comes. */
  | { readonly kind: 'lookup'; readonly name: string }
  | { readonly kind: 'refused'; readonly advice: string };

export type AddressVerdict =
  /** `address` in the form in which it may be connected to. */
  | { readonly permitted: true; readonly address: string }
  | { readonly permitted: false; readonly advice: string };

/** The addresses of this machine, which are reached from inside, behind its firewall. */
export type OwnAddresses = () => readonly string[];

/** Looks at the target as it was asked for. */
export function judgeTarget(rules: readonly AllowRule[], target: Target): TargetVerdict {
  const host = parseHost(target.host);
  if (host === undefined) {
    return { kind: 'refused', advice: `${formatTarget(target)} is neither an IP address nor a host name` };
  }
  if (host.kind === 'address') return { kind: 'addresses', addresses: [formatAddress(host.address)] };
  // spec forwarding 3.6: never the DNS's word, whatever the resolver has to say
  if (host.kind === 'localhost') return { kind: 'addresses', addresses: LOOPBACK_ADDRESSES };
  const mayMatch = rules.some(
    (rule) =>
      matchesPort(rule, target.port) && (rule.match.kind === 'networks' || matchesName(rule, host.name)),
  );
  if (mayMatch) return { kind: 'lookup', name: host.name };
  // spec forwarding 3.4: without a lookup, so that the DNS learns nothing of refused names
  const rule = `${host.name}:${target.port}`;
  return { kind: 'refused', advice: `no rule allows ${rule}; the rule ${rule} would` };
}

/** Looks at one address that `target` stands for. Called with the very text that is connected to afterwards. */
export function judgeAddress(
  rules: readonly AllowRule[],
  target: Target,
  addressText: string,
  ownAddresses: OwnAddresses = () => [],
): AddressVerdict {
  const address = parseAddress(addressText);
  if (address === undefined) {
    return {
      permitted: false,
      advice: `${formatTarget(target)}: '${addressText}' is no address to connect to`,
    };
  }
  const host = parseHost(target.host);
  const name = host?.kind === 'name' ? host.name : undefined;
  const block = specialBlockOf(address) ?? ownBlock(address, ownAddresses);
  const permitted = rules.some(
    (rule) => matchesPort(rule, target.port) && permitsAddress(rule, name, address, block),
  );
  if (permitted) return { permitted, address: formatAddress(address) };
  return { permitted, advice: adviceFor(target, name, address, block) };
}

function permitsAddress(
  rule: AllowRule,
  name: string | undefined,
  address: IpAddress,
  block: SpecialBlock | undefined,
): boolean {
  if (rule.match.kind === 'networks') {
    return rule.match.networks.some(
      // spec forwarding 3.5: a rule that is wider than the special-purpose block was not written with it in mind
      (network) => contains(network, address) && (block === undefined || liesWithin(network, block)),
    );
  }
  if (block !== undefined) return false;
  return name === undefined ? rule.match.kind === 'any' : matchesName(rule, name);
}

function matchesPort(rule: AllowRule, port: number): boolean {
  return rule.lowestPort <= port && port <= rule.highestPort;
}

function matchesName(rule: AllowRule, name: string): boolean {
  switch (rule.match.kind) {
    case 'any':
      return true;
    case 'name':
      return rule.match.name === name;
    case 'below':
      return name.endsWith(`.${rule.match.parent}`);
    case 'networks':
      return false;
  }
}

function ownBlock(address: IpAddress, ownAddresses: OwnAddresses): SpecialBlock | undefined {
  const text = formatAddress(address);
  const own = ownAddresses().some((candidate) => {
    const parsed = parseAddress(candidate);
    return parsed !== undefined && formatAddress(parsed) === text;
  });
  return own ? { ...singleAddress(address), name: 'an address of the relay itself' } : undefined;
}

function adviceFor(
  target: Target,
  name: string | undefined,
  address: IpAddress,
  block: SpecialBlock | undefined,
): string {
  const literal = formatTarget({ host: formatAddress(address), port: target.port });
  if (block !== undefined) {
    const what = name === undefined ? literal : `${name} resolves to ${formatAddress(address)}, which`;
    return `${what} is ${block.name} and allowed only by an address rule within that block; the rule ${literal} would allow it`;
  }
  const asked = name === undefined ? literal : `${name}:${target.port}`;
  return `no rule allows ${asked}; the rule ${asked} would`;
}
