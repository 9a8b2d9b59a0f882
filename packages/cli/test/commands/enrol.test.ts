import type { Enrolment } from '@underpass/client';
import { REQUEST_STATUSES } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { enrolError, isFinal, relayOf } from '../../src/commands/enrol.js';

const PLACE = 'relay.example.org:51820';
const KNOWN_LINK =
  'underpass://relay.example.org:51820/AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eC-GPR8';

function lineOf(outcome: Exclude<Enrolment, { readonly kind: 'enrolled' }>): string {
  const { message, hint } = enrolError(outcome, PLACE);
  return `${message}: ${hint}`;
}

describe('the message of an enrolment that failed', () => {
  it.each<[Parameters<typeof lineOf>[0], string]>([
    [
      { kind: 'refused', status: 'invite-used' },
      'the link was used already: if that was not you, somebody else has it: tell whoever runs the relay, and ask for a new one',
    ],
    [
      { kind: 'refused', status: 'invite-expired' },
      'the link has expired: ask whoever runs the relay for a new one',
    ],
    [
      { kind: 'refused', status: 'not-allowed' },
      'the link was revoked: ask whoever runs the relay for a new one',
    ],
    [
      { kind: 'refused', status: 'malformed-request' },
      `the relay ${PLACE} does not know invites: its version is older than the link: update it`,
    ],
    [
      { kind: 'refused', status: 'internal-error' },
      `the relay ${PLACE} could not enrol this client (internal-error): its log says why; the link is still good, so try again after that`,
    ],
    [
      { kind: 'ended', cause: 'superseded' },
      'another client uses the same link at this moment: use each link on one machine only',
    ],
    [
      { kind: 'no-answer', wasReached: true, problem: undefined },
      `the relay ${PLACE} was reached, but its answer did not arrive: try again with the same link`,
    ],
    [
      { kind: 'no-answer', wasReached: false, problem: undefined },
      `no answer from ${PLACE}: the relay does not run, UDP does not reach it, or it does not know this link (revoked, over for a week, or for another relay): check the relay, its firewall and its log, then try again with the same link`,
    ],
    [
      {
        kind: 'no-answer',
        wasReached: false,
        problem: { kind: 'not-listening', host: '192.0.2.1', port: 51_820, code: 'ECONNREFUSED' },
      },
      `no answer from ${PLACE}: 192.0.2.1 answers, but nothing listens on UDP 51820: start the relay, or check the port; a firewall that rejects packets looks the same, then try again with the same link`,
    ],
  ])('for %j says what happened and what to do', (outcome, line) => {
    expect(lineOf(outcome)).toBe(line);
  });

  it('is one line for every status', () => {
    for (const status of REQUEST_STATUSES) {
      if (status !== 'opened') expect(lineOf({ kind: 'refused', status })).toMatch(/^[^\n]{40,220}$/);
    }
  });
});

describe('the key of an enrolment that failed', () => {
  const refused = REQUEST_STATUSES.flatMap((status) =>
    status === 'opened' ? [] : [{ kind: 'refused', status } as const],
  );

  it('is kept unless the link is over (spec enrolment 5.1: "MUST NOT delete the key before the relay is saved")', () => {
    expect(refused.filter(isFinal).map(({ status }) => status)).toEqual([
      'not-allowed',
      'invite-used',
      'invite-expired',
    ]);
    expect(isFinal({ kind: 'ended', cause: 'removed' })).toBe(true);
    expect(isFinal({ kind: 'ended', cause: 'superseded' })).toBe(false);
    expect(isFinal({ kind: 'no-answer', wasReached: true, problem: undefined })).toBe(false);
  });
});

describe('an argument of underpass client', () => {
  const log = (): never => {
    throw new Error('nothing may be logged');
  };

  it.each([
    ['underpass://', undefined, 'the end of the link is missing'],
    [KNOWN_LINK.slice(0, -1), undefined, 'the end of the link is missing'],
    [KNOWN_LINK.replace('relay', 'rely'), undefined, 'the link was altered'],
    [`see ${KNOWN_LINK}`, undefined, 'this is not the link of an invite'],
    [KNOWN_LINK, '../x', "'../x' cannot be a relay's name"],
    ['nowhere', 'x', '--as only makes sense with a link'],
    ['nowhere', undefined, 'this machine knows no relay named nowhere'],
  ])('that is wrong is refused before anything is sent: %s', async (argument, as, message) => {
    await expect(relayOf(argument, as, log)).rejects.toThrow(message);
  });
});
