/** `underpass client LINK`: enrols at a relay, and saves it under its name. */
import { type Enrolment, enrol } from '@underpass/client';
import {
  formatTarget,
  type InviteLink,
  looksLikeInviteLink,
  MAX_LINK_CHARACTERS,
  parseInviteLink,
  type RequestStatus,
} from '@underpass/forward';
import { type Log, shortKey } from '@underpass/runtime';
import { CliError, usageError } from '../cli-error.js';
import { isPeerName } from '../config/fields.js';
import {
  forgetKeyForEnrolment,
  keyForEnrolment,
  type SavedRelay,
  savedRelay,
  savedRelayWithKey,
  saveRelay,
} from '../config/saved-relays.js';
import { ExitCode } from '../exit-code.js';
import { NAME_WORDS } from '../limits.js';
import { publicKeyOf } from '../public-key.js';
import { terminalProgress } from '../wait-progress.js';
import { type EnrolRefusal, enrolFailure, linkFailure } from './enrol-text.js';
import { readSecretLine } from './read-secret-line.js';

/** Finds the relay that the argument of `underpass client` means, and enrols there if it is a link.
 *  @param argument  a name, a link, or `-` for a link on stdin
 *  @param as  the value of `--as`
 *  @param log  called when something has to be logged, so not before the arguments are known to be right */
export async function relayOf(
  argument: string,
  as: string | undefined,
  log: () => Promise<Log>,
): Promise<SavedRelay> {
  if (argument !== '-' && !looksLikeInviteLink(argument)) {
    if (as !== undefined) throw usageError('--as only makes sense with a link', 'leave it out');
    return savedRelay(argument);
  }
  if (as !== undefined && !isPeerName(as)) {
    throw usageError(`'${as}' cannot be a relay's name`, `expected ${NAME_WORDS}`);
  }
  hideArguments();
  const link = linkIn(argument === '-' ? await readSecretLine(2 * MAX_LINK_CHARACTERS) : argument);
  try {
    refuseKnown(link, as);
    return await enrolWith(link, as, await log());
  } finally {
    link.secret.fill(0);
  }
}

/** Takes the link out of the process list. Whoever looked before has seen it. */
function hideArguments(): void {
  process.title = 'underpass client';
}

function linkIn(text: string): InviteLink {
  const link = parseInviteLink(text);
  if (typeof link !== 'string') return link;
  const { message, hint } = linkFailure(link);
  const readIt = link === 'altered' ? ', or read it from a file: underpass client - < FILE' : '';
  throw new CliError(ExitCode.usage, message, hint + readIt);
}

/** Refuses before anything is sent, so that the invite stays good. */
function refuseKnown({ relayPublicKey, endpoint }: InviteLink, as: string | undefined): void {
  const same = savedRelayWithKey(relayPublicKey);
  if (same !== undefined && (as === undefined || as === same.name)) {
    throw new CliError(
      ExitCode.failure,
      `this machine has enrolled at the relay ${formatTarget(endpoint)} already, as ${same.name}`,
      `use: underpass client ${same.name}; to enrol a second time, choose another name with --as`,
    );
  }
  if (as !== undefined && isKnown(as)) throw nameTaken(as);
}

async function enrolWith(link: InviteLink, as: string | undefined, log: Log): Promise<SavedRelay> {
  const place = formatTarget(link.endpoint);
  const privateKey = keyForEnrolment(link);
  const publicKey = publicKeyOf(privateKey);
  log.info(
    { event: 'enrolling', relay: place, publicKey: shortKey(publicKey) },
    `enrolling at ${place} with the key ${shortKey(publicKey)}`,
  );
  const progress = terminalProgress();
  progress.begin('waiting for the relay');
  try {
    const outcome = await enrol({ link, publicKey }).finally(() => progress.end());
    if (outcome.kind !== 'enrolled') {
      if (isFinal(outcome)) forgetKeyForEnrolment(link);
      throw enrolError(outcome, place);
    }
    const { presharedKey, peerName, relayName } = outcome.answer;
    const name = as ?? (relayName || nameOfHost(link.endpoint.host));
    let saved: SavedRelay | undefined;
    try {
      saved = saveRelay({ name, link, privateKey, presharedKey });
    } finally {
      presharedKey.fill(0);
    }
    if (saved === undefined) throw nameTaken(name);
    forgetKeyForEnrolment(link);
    log.info(
      { event: 'enrolled', relay: place, name, peer: peerName, file: saved.file },
      `enrolled as ${peerName} and saved as ${name}: from now on, give that name in place of the link`,
    );
    return saved;
  } finally {
    privateKey.fill(0);
  }
}

/** Whether the link is worth nothing any more. Otherwise the relay may have made a peer of this key before, and an answer
 *  was lost: only the same key gets that answer again (spec enrolment 5.1). */
export function isFinal(outcome: Enrolment): boolean {
  if (outcome.kind === 'ended') return outcome.cause === 'removed';
  return outcome.kind === 'refused' && FINAL_STATUSES.has(outcome.status);
}

const FINAL_STATUSES: ReadonlySet<RequestStatus> = new Set(['invite-used', 'invite-expired', 'not-allowed']);

/** The outcome as an error of the command line. */
export function enrolError(outcome: EnrolRefusal, place: string): CliError {
  const { message, hint } = enrolFailure(outcome, place);
  return new CliError(ExitCode.failure, message, hint);
}

function nameTaken(name: string): CliError {
  return new CliError(
    ExitCode.failure,
    `${name} is another relay on this machine`,
    'choose another name and try again with the same link: --as NAME',
  );
}

function isKnown(name: string): boolean {
  try {
    savedRelay(name);
    return true;
  } catch {
    return false;
  }
}

/** A relay without a name is called by its host. An IPv6 address has colons, which a name cannot have. */
function nameOfHost(host: string): string {
  const name = host
    .replaceAll(':', '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return isPeerName(name) ? name : 'relay';
}
