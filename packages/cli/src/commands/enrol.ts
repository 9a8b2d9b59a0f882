/** `underpass client LINK`: enrols at a relay, and saves it under its name. */
import { type Enrolment, enrol } from '@underpass/client';
import {
  formatTarget,
  type InviteLink,
  type LinkProblem,
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
import { publicKeyOf } from '../public-key.js';
import { terminalProgress } from '../wait-progress.js';
import { PROBLEM_HINTS, problemText } from './contact-text.js';
import { readSecretLine } from './read-secret-line.js';

/** Finds the relay that the argument of `underpass client` means, and enrols there if it is a link.
 *  @param argument  a name, a link, or `-` for a link on stdin
 *  @param as  the value of `--as`
 *  @param log  called when something has to be logged, so not before the arguments are known to be right */
export async function relayOf(argument: string, as: string | undefined, log: () => Log): Promise<SavedRelay> {
  if (argument !== '-' && !looksLikeInviteLink(argument)) {
    if (as !== undefined) throw usageError('--as only makes sense with a link', 'leave it out');
    return savedRelay(argument);
  }
  if (as !== undefined && !isPeerName(as)) {
    throw usageError(
      `'${as}' cannot be a relay's name`,
      'expected 1 to 64 letters, digits, dots, dashes and underscores',
    );
  }
  hideArguments();
  const link = linkIn(argument === '-' ? await readSecretLine(2 * MAX_LINK_CHARACTERS) : argument);
  refuseKnown(link, as);
  return enrolWith(link, as, log());
}

/** Takes the link out of the process list. Whoever looked before has seen it. */
function hideArguments(): void {
  process.title = 'underpass client';
}

function linkIn(text: string): InviteLink {
  const link = parseInviteLink(text);
  if (typeof link !== 'string') return link;
  const [message, hint] = LINK_PROBLEMS[link];
  throw new CliError(ExitCode.usage, message, hint);
}

const LINK_PROBLEMS: Readonly<Record<LinkProblem, readonly [string, string]>> = {
  'not-a-link': [
    'this is not the link of an invite',
    'expected underpass://HOST:PORT/ and 92 more characters, as underpass invite prints it',
  ],
  truncated: [
    'the end of the link is missing',
    'copy it whole: 92 letters, digits, dashes and underscores follow the last slash',
  ],
  altered: [
    'the link was altered: a character is wrong, missing or too much',
    'copy it again, or read it from a file: underpass client - < FILE',
  ],
  version: ['this link is for a newer version of underpass', 'update the program on this machine'],
};

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
    const saved = saveRelay({ name, link, privateKey, presharedKey });
    presharedKey.fill(0);
    if (saved === undefined) throw nameTaken(name);
    forgetKeyForEnrolment(link);
    log.info(
      { event: 'enrolled', relay: place, name, peer: peerName, file: saved.file },
      `enrolled as ${peerName} and saved as ${name}: from now on, underpass client ${name} is enough`,
    );
    return saved;
  } finally {
    privateKey.fill(0);
    link.secret.fill(0);
  }
}

/** Whether the link is worth nothing any more. Otherwise the relay may have made a peer of this key before, and an answer
 *  was lost: only the same key gets that answer again (spec enrolment 5.1). */
export function isFinal(outcome: Enrolment): boolean {
  if (outcome.kind === 'ended') return outcome.cause === 'removed';
  return outcome.kind === 'refused' && FINAL_STATUSES.has(outcome.status);
}

const FINAL_STATUSES: ReadonlySet<RequestStatus> = new Set(['invite-used', 'invite-expired', 'not-allowed']);

/** Each outcome has a message of its own. */
export function enrolError(
  outcome: Exclude<Enrolment, { readonly kind: 'enrolled' }>,
  place: string,
): CliError {
  const fail = (message: string, hint: string): CliError => new CliError(ExitCode.failure, message, hint);
  if (outcome.kind === 'refused') {
    switch (outcome.status) {
      case 'invite-used':
        return fail(
          'the link was used already',
          'if that was not you, somebody else has it: tell whoever runs the relay, and ask for a new one',
        );
      case 'invite-expired':
        return fail('the link has expired', 'ask whoever runs the relay for a new one');
      case 'not-allowed':
        return fail('the link was revoked', 'ask whoever runs the relay for a new one');
      case 'malformed-request':
        return fail(
          `the relay ${place} does not know invites`,
          'its version is older than the link: update it',
        );
      default:
        return fail(
          `the relay ${place} could not enrol this client (${outcome.status})`,
          'its log says why; the link is still good, so try again after that',
        );
    }
  }
  if (outcome.kind === 'ended') {
    return outcome.cause === 'removed'
      ? fail('the link was revoked', 'ask whoever runs the relay for a new one')
      : fail('another client uses the same link at this moment', 'use each link on one machine only');
  }
  if (outcome.wasReached) {
    return fail(
      `the relay ${place} was reached, but its answer did not arrive`,
      'try again with the same link',
    );
  }
  if (outcome.problem !== undefined) {
    return fail(
      `no answer from ${place}: ${problemText(outcome.problem)}`,
      `${PROBLEM_HINTS[outcome.problem.kind]}, then try again with the same link`,
    );
  }
  return fail(
    `no answer from ${place}: the relay does not run, UDP does not reach it, or it does not know this link (revoked, over for a week, or for another relay)`,
    'check the relay, its firewall and its log, then try again with the same link',
  );
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
