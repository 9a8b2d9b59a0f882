/** Why the relay does not answer, in words. */
import type { ClientEvent, ContactProblem } from '@underpass/client';
import { formatTarget } from '@underpass/forward';
import { formatDuration } from './traffic-totals.js';

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'no address to send from',
  EAFNOSUPPORT: 'no such kind of address on this machine',
  EHOSTUNREACH: 'no route to host',
  ENETDOWN: 'network is down',
  ENETUNREACH: 'network is unreachable',
  ENOBUFS: 'no buffer space',
  EPERM: 'operation not permitted',
};

/** On the relay: that the system would not send to a client. */
export function cannotSendText(host: string, code: string): string {
  return `this machine cannot send to ${host} (${SYSTEM_ERRORS[code] ?? code}): check its network and its own firewall`;
}

/** What is wrong, without what to do: `this machine cannot send to 192.0.2.1 (network is unreachable)`. */
function problemText({ kind, host, port, code }: ContactProblem): string {
  const reason = SYSTEM_ERRORS[code] ?? code;
  switch (kind) {
    case 'unresolved':
      return code === 'ENOTFOUND' || code === 'ENODATA'
        ? `the relay's name ${host} does not exist (${code})`
        : `the relay's name ${host} does not resolve yet (${code})`;
    case 'cannot-send':
      return `this machine cannot send to ${host} (${reason})`;
    case 'unreachable':
      return `${host} cannot be reached, says a router or the host itself (${reason})`;
    case 'not-listening':
      return `${host} answers, but nothing listens on UDP ${port}`;
  }
}

const PROBLEM_HINTS: Readonly<Record<ContactProblem['kind'], string>> = {
  unresolved: "check the name and this machine's network",
  'cannot-send': "check this machine's network and its own firewall",
  unreachable: 'check the address, and firewalls on the way',
  'not-listening': 'start the relay, or check the port; a firewall that rejects looks the same',
};

/** What is wrong and what to do. */
export function problemLine(problem: ContactProblem): string {
  return `${problemText(problem)}: ${PROBLEM_HINTS[problem.kind]} (still trying)`;
}

/** That nothing is heard, for how long, who waits, and why or what to check. */
export function noAnswerText({ relay, silentMs, waitingConnections, problem }: EventOf<'no-answer'>): string {
  const waiting =
    waitingConnections === 0
      ? ''
      : `, ${waitingConnections} ${waitingConnections === 1 ? 'connection waits' : 'connections wait'}`;
  const why =
    problem === undefined
      ? "check that the relay runs, that UDP gets there, that each side has the other's public key, and this machine's clock"
      : problemText(problem);
  return `no answer from ${formatTarget(relay)} for ${formatDuration(silentMs)}${waiting}: ${why} (still trying)`;
}

type EventOf<Type extends ClientEvent['type']> = Extract<ClientEvent, { readonly type: Type }>;
