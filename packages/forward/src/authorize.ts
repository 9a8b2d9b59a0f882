/** Decides whether a peer's rules permit a target, before and after its name is resolved (spec forwarding 3.2 to 3.6,
 *  ADR 0004). */
import type { AllowRule } from './allow-rules.js';
import type { HostTarget, UnixTarget } from './forward-spec.js';
import { formatTarget } from './forward-spec.js';
import { formatAddress, type IpAddress, LOOPBACK_ADDRESSES, parseAddress, parseHost } from './host.js';
import { contains, liesWithin, type SpecialBlock, singleAddress, specialBlockOf } from './special-purpose.js';

/** What a request is judged by: the rules of a peer, or nothing, because the target is this user's own choice (spec
 *  reverse 5). */
export type Rules = readonly AllowRule[] | 'own-choice';

/** The next step for a request. */
export type TargetVerdict =
  /** The target stands for these addresses: judge each of them. */
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  /** Resolve `name`, then judge its addresses. */
  | { readonly kind: 'lookup'; readonly name: string }
  | { readonly kind: 'refused'; readonly advice: string };

export type AddressVerdict =
  /** `address` is in the form that is passed to `connect`. */
  | { readonly permitted: true; readonly address: string }
  | { readonly permitted: false; readonly advice: string };

/** Returns the addresses of this machine. Connections to them come from inside, so its firewall doesn't see them. */
export type OwnAddresses = () => readonly string[];

/** Judges the target as the peer wrote it. */
export function judgeTarget(rules: Rules, target: HostTarget): TargetVerdict {
  const host = parseHost(target.host);
  if (host === undefined) {
    return { kind: 'refused', advice: `${formatTarget(target)} is neither an IP address nor a host name` };
  }
  if (host.kind === 'address') return { kind: 'addresses', addresses: [formatAddress(host.address)] };
  // spec forwarding 3.6: a resolver must not decide what localhost means
  if (host.kind === 'localhost') return { kind: 'addresses', addresses: LOOPBACK_ADDRESSES };
  if (rules === 'own-choice' || allowsName(rules, host.name, target))
    return { kind: 'lookup', name: host.name };
  // spec forwarding 3.4: refused names never reach the DNS
  return { kind: 'refused', advice: noRuleAllows({ ...target, host: host.name }) };
}

/** Judges a unix socket: only a rule with exactly this path permits it (spec forwarding 3.7).
 *  @returns the advice of a refusal, or undefined */
export function refuseUnixTarget(rules: Rules, target: UnixTarget): string | undefined {
  if (rules === 'own-choice') return undefined;
  const isAllowed = rules.some(({ match }) => match.kind === 'unix' && match.path === target.path);
  return isAllowed ? undefined : noRuleAllows(target);
}

/** Judges the addresses of a name in the given order, until `limit` of them are permitted. Reading the machine's own
 *  addresses takes system calls, so it happens at most once.
 *
 *  @returns the permitted addresses; if there are none, `advice` says why the first was refused */
export function judgeAddresses(
  rules: Rules,
  target: HostTarget,
  candidates: readonly string[],
  limit: number,
  ownAddresses: OwnAddresses,
): { readonly permitted: readonly string[]; readonly advice: string } {
  let own: ReadonlySet<string> | undefined;
  const isOwn = (text: string): boolean => {
    own ??= inOneForm(ownAddresses());
    return own.has(text);
  };
  const permitted: string[] = [];
  let advice = '';
  for (const candidate of candidates) {
    const verdict = judgeAddress(rules, target, candidate, isOwn);
    if (verdict.permitted) permitted.push(verdict.address);
    else advice ||= verdict.advice;
    if (permitted.length === limit) break;
  }
  return { permitted, advice };
}

/** Judges one address that `target` stands for. The caller connects to exactly the address that is returned.
 *
 *  @param isOwn  whether an address, in its shortest form, belongs to this machine */
export function judgeAddress(
  rules: Rules,
  target: HostTarget,
  addressText: string,
  isOwn: (text: string) => boolean = () => false,
): AddressVerdict {
  const address = parseAddress(addressText);
  if (address === undefined) {
    return {
      permitted: false,
      advice: `${formatTarget(target)}: '${addressText}' is not a valid address`,
    };
  }
  if (rules === 'own-choice') return { permitted: true, address: formatAddress(address) };
  const host = parseHost(target.host);
  const name = host?.kind === 'name' ? host.name : undefined;
  // spec forwarding 3.4: the rules may have changed while the name was resolved
  if (name !== undefined && !allowsName(rules, name, target)) {
    return { permitted: false, advice: noRuleAllows({ ...target, host: name }) };
  }
  const block = specialBlockOf(address) ?? ownBlock(address, isOwn);
  const permitted =
    (name !== undefined && block === undefined) ||
    rules.some((rule) => matchesPort(rule, target) && permitsAddress(rule, address, block));
  if (permitted) return { permitted, address: formatAddress(address) };
  return { permitted, advice: adviceFor(target, name, address, block) };
}

/** Whether a rule covers this name. If none does, the name is not looked up. */
function allowsName(rules: readonly AllowRule[], name: string, target: HostTarget): boolean {
  return rules.some((rule) => matchesPort(rule, target) && matchesName(rule, name));
}

/** Whether a rule permits the address itself, regardless of the name that led to it. */
function permitsAddress(rule: AllowRule, address: IpAddress, block: SpecialBlock | undefined): boolean {
  if (rule.match.kind === 'any') return block === undefined;
  if (rule.match.kind !== 'networks') return false;
  return rule.match.networks.some(
    // spec forwarding 3.5: a rule wider than the special-purpose block was not written with that block in mind
    (network) => contains(network, address) && (block === undefined || liesWithin(network, block)),
  );
}

/** Whether the rule is for the target's port and protocol (spec forwarding 3.7). */
function matchesPort(rule: AllowRule, { port, protocol }: HostTarget): boolean {
  return rule.protocol === (protocol ?? 'tcp') && rule.lowestPort <= port && port <= rule.highestPort;
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
    case 'unix':
      return false;
  }
}

function ownBlock(address: IpAddress, isOwn: (text: string) => boolean): SpecialBlock | undefined {
  if (!isOwn(formatAddress(address))) return undefined;
  return { ...singleAddress(address), name: 'an address of the relay itself' };
}

/** Leaves out what `parseAddress` rejects, such as `fe80::1%eth0`: link-local addresses are special-purpose anyway. */
function inOneForm(addresses: readonly string[]): ReadonlySet<string> {
  const parsed = addresses.map(parseAddress).filter((address) => address !== undefined);
  return new Set(parsed.map(formatAddress));
}

function adviceFor(
  target: HostTarget,
  name: string | undefined,
  address: IpAddress,
  block: SpecialBlock | undefined,
): string {
  // Answer in the peer's words: `localhost` is also a valid rule, and covers both families.
  const text = formatAddress(address);
  if (parseHost(target.host)?.kind === 'localhost' && LOOPBACK_ADDRESSES.includes(text)) {
    return noRuleAllows({ ...target, host: 'localhost' });
  }
  const literal = formatTarget({ ...target, host: text });
  if (block !== undefined) {
    const what = name === undefined ? literal : `${name} resolves to ${text}, which`;
    const isSingle = block.prefixBits === singleAddress(address).prefixBits;
    const needed = isSingle ? 'a rule for exactly this address' : 'an address rule within that block';
    return `${what} is ${block.name} and needs ${needed}; to allow it, add the rule ${literal}`;
  }
  return noRuleAllows({ ...target, host: text });
}

function noRuleAllows(target: HostTarget | UnixTarget): string {
  const asked = formatTarget(target);
  return `no rule allows ${asked}; to allow it, add the rule ${asked}`;
}
