/** `underpass allow` and `underpass revoke`: change what the peers of a relay may reach. */
import type { AllowRule } from '@underpass/forward';
import { CliError, usageError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { removeStored, setRules } from '../store/store-changes.js';
import type { StoredPeer } from '../store/stored-peer.js';
import { printLine, requireOutput } from '../terminal.js';
import { type RelayFiles, readRelayFiles, requireStored, tellRelay } from './relay-files.js';

export interface ChangeFlags {
  readonly config?: string;
}

/** Adds rules to a peer or an invite. */
export async function runAllow(name: string, rules: readonly AllowRule[], flags: ChangeFlags): Promise<void> {
  const files = readRelayFiles(flags.config);
  const peer = requireStored(files, name);
  const added = rules.filter(({ text }) => !peer.allow.some((rule) => rule.text === text));
  await change(files, peer, [...peer.allow, ...added]);
}

/** Removes a peer or an invite, or some of its rules. */
export async function runRevoke(
  name: string,
  rules: readonly AllowRule[],
  flags: ChangeFlags,
): Promise<void> {
  const files = readRelayFiles(flags.config);
  const peer = requireStored(files, name);
  if (rules.length === 0) {
    if (!removeStored(files.store, name)) throw goneMeanwhile(name);
    await tellRelay(files.file);
    printLine(
      peer.enrolled === undefined
        ? `${name}'s link no longer works`
        : `${name} is no longer a peer: if it was connected, it was told and cut off`,
    );
    return requireOutput();
  }
  for (const { text } of rules) {
    if (peer.allow.some((rule) => rule.text === text)) continue;
    throw usageError(`${name} has no rule ${text}`, `its rules are ${listOf(peer.allow)}`);
  }
  await change(
    files,
    peer,
    peer.allow.filter(({ text }) => !rules.some((rule) => rule.text === text)),
  );
}

async function change(files: RelayFiles, peer: StoredPeer, allow: readonly AllowRule[]): Promise<void> {
  if (!setRules(files.store, peer, { allow })) throw goneMeanwhile(peer.name);
  await tellRelay(files.file);
  printLine(`${peer.name} may reach ${listOf(allow)}`);
  await requireOutput();
}

function listOf(allow: readonly AllowRule[]): string {
  return allow.length === 0 ? 'nothing' : allow.map(({ text }) => text).join(', ');
}

function goneMeanwhile(name: string): CliError {
  return new CliError(ExitCode.failure, `${name} was revoked by another command`);
}
