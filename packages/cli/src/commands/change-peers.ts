/** `underpass allow` and `underpass revoke`: change what the peers of a relay may do. */
import type { AllowRule, MaxRate } from '@underpass/forward';
import { CliError, usageError } from '../cli-error.js';
import { type PeerRules, rulesText } from '../config/peer-rules.js';
import { ExitCode } from '../exit-code.js';
import { removeStored, setRules } from '../store/store-changes.js';
import type { StoredPeer } from '../store/stored-peer.js';
import { printLine, requireOutput } from '../terminal.js';
import { listenRules, type RelayFiles, readRelayFiles, requireStored, tellRelay } from './relay-files.js';

export interface ChangeFlags {
  readonly listen?: readonly string[];
  /** For `allow`. */
  readonly maxRate?: MaxRate | 'none';
  readonly config?: string;
}

/** Adds rules to a peer or an invite. */
export async function runAllow(name: string, rules: readonly AllowRule[], flags: ChangeFlags): Promise<void> {
  const listen = listenRules(flags.listen, '--listen');
  if (rules.length + listen.length === 0 && flags.maxRate === undefined) {
    throw usageError('nothing to allow', `say what ${name} may reach: HOST:PORT`);
  }
  const files = readRelayFiles(flags.config);
  const peer = requireStored(files, name);
  const maxRate = flags.maxRate ?? peer.maxRate;
  await change(files, peer, {
    ...(maxRate !== undefined && maxRate !== 'none' && { maxRate }),
    allow: withRules(peer.allow, rules),
    allowListen: withRules(peer.allowListen ?? [], listen),
  });
}

/** Removes a peer or an invite, or some of its rules. */
export async function runRevoke(
  name: string,
  rules: readonly AllowRule[],
  flags: ChangeFlags,
): Promise<void> {
  const listen = listenRules(flags.listen, '--listen');
  const files = readRelayFiles(flags.config);
  const peer = requireStored(files, name);
  if (rules.length + listen.length > 0) {
    await change(files, peer, {
      ...(peer.maxRate && { maxRate: peer.maxRate }),
      allow: withoutRules(name, peer.allow, rules),
      allowListen: withoutRules(name, peer.allowListen ?? [], listen),
    });
    return;
  }
  if (!removeStored(files.store, name)) throw goneMeanwhile(name);
  await tellRelay(files.file);
  printLine(
    peer.enrolled === undefined
      ? `${name}'s link no longer works`
      : `${name} is no longer a peer: if it was connected, it was told and cut off`,
  );
  await requireOutput();
}

async function change(files: RelayFiles, peer: StoredPeer, rules: PeerRules): Promise<void> {
  if (!setRules(files.store, peer, rules)) throw goneMeanwhile(peer.name);
  await tellRelay(files.file);
  printLine(`${peer.name} ${rulesText(rules)}`);
  await requireOutput();
}

interface Rule {
  readonly text: string;
}

function withRules<R extends Rule>(present: readonly R[], added: readonly R[]): R[] {
  const isNew = ({ text }: R): boolean => !present.some((rule) => rule.text === text);
  return [...present, ...added.filter(isNew)];
}

/** @throws CliError if one of them is not there, because it was probably misspelt */
function withoutRules<R extends Rule>(name: string, present: readonly R[], removed: readonly R[]): R[] {
  for (const { text } of removed) {
    if (present.some((rule) => rule.text === text)) continue;
    const list = present.map((rule) => rule.text).join(', ') || 'none';
    throw usageError(`${name} has no rule ${text}`, `its rules of that kind: ${list}`);
  }
  return present.filter(({ text }) => !removed.some((rule) => rule.text === text));
}

function goneMeanwhile(name: string): CliError {
  return new CliError(ExitCode.failure, `${name} was revoked by another command`);
}
