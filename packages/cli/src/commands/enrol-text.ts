/** Explains why enrolment failed, or why a link is none: for the command line, and for programs that use the library. */
import type { Enrolment } from '@underpass/client';
import type { LinkProblem, RequestStatus } from '@underpass/forward';
import type { UnderpassErrorCode } from '@underpass/runtime/errors';
import { PROBLEM_HINTS, problemText } from './contact-text.js';

export type EnrolRefusal = Exclude<Enrolment, { readonly kind: 'enrolled' }>;

export interface EnrolFailure {
  readonly code: UnderpassErrorCode;
  readonly message: string;
  readonly hint: string;
}

export function linkFailure(problem: LinkProblem): EnrolFailure {
  const [message, hint] = LINK_PROBLEMS[problem];
  return { code: 'invalid-option', message, hint };
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
  altered: ['the link was altered: a character is wrong, missing or extra', 'copy it again'],
  version: ['this link is for a newer version of underpass', 'update the program on this machine'],
};

/** Each outcome has a message of its own.
 *  @param place  the relay, as the link has it */
export function enrolFailure(outcome: EnrolRefusal, place: string): EnrolFailure {
  if (outcome.kind === 'refused') return refusedWith(outcome.status, place);
  if (outcome.kind === 'ended') {
    return outcome.cause === 'removed'
      ? REVOKED
      : failure(
          'enrolment-failed',
          'another client uses the same link at this moment',
          'use each link on one machine only',
        );
  }
  if (outcome.wasReached) {
    return failure(
      'relay-not-reached',
      `the relay ${place} was reached, but its answer did not arrive`,
      'try again with the same link',
    );
  }
  if (outcome.problem !== undefined) {
    return failure(
      'relay-not-reached',
      `no answer from ${place}: ${problemText(outcome.problem)}`,
      `${PROBLEM_HINTS[outcome.problem.kind]}, then try again with the same link`,
    );
  }
  return failure(
    'relay-not-reached',
    `no answer from ${place}: the relay does not run, UDP does not reach it, or it does not know this link (revoked, used or expired over a week ago, or for another relay)`,
    'check the relay, its firewall and its log, then try again with the same link',
  );
}

function refusedWith(status: Exclude<RequestStatus, 'opened'>, place: string): EnrolFailure {
  switch (status) {
    case 'invite-used':
      return failure(
        'invite-used',
        'the link was used already',
        'if that was not you, somebody else has it: tell whoever runs the relay, and ask for a new one',
      );
    case 'invite-expired':
      return failure('invite-expired', 'the link has expired', 'ask whoever runs the relay for a new one');
    case 'not-allowed':
      return REVOKED;
    case 'malformed-request':
      return failure(
        'enrolment-failed',
        `the relay ${place} does not know invites`,
        'its version is older than the link: update it',
      );
    default:
      return failure(
        'enrolment-failed',
        `the relay ${place} could not enrol this client (${status})`,
        'its log says why; the link is still good, so try again after that',
      );
  }
}

function failure(code: UnderpassErrorCode, message: string, hint: string): EnrolFailure {
  return { code, message, hint };
}

const REVOKED = failure('invite-revoked', 'the link was revoked', 'ask whoever runs the relay for a new one');
