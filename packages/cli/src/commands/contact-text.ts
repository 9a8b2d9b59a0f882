/** Explains why the relay does not answer. */
import type { ClientEvent, ContactProblem } from '@underpass/client';
import { formatTarget } from '@underpass/forward';
import { formatDuration } from './traffic-totals.js';

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'no address to send from',
  EAFNOSUPPORT: 'this machine does not support that kind of address',
  EHOSTUNREACH: 'no route to host',
  ENETDOWN: 'network is down',
  ENETUNREACH: 'network is unreachable',
  ENOBUFS: 'no buffer space',
  EPERM: 'operation not permitted',
};

/** `network is unreachable` for ENETUNREACH; the code itself if there are no words for it. */
export function systemErrorText(code: string): string {
  return SYSTEM_ERRORS[code] ?? code;
}

/** For a relay whose system refused to send to a client. */
export function cannotSendText(host: string, code: string): string {
  return `this machine cannot send to ${host} (${systemErrorText(code)}): check its network and its own firewall`;
}

/** What is wrong, without advice: `this machine cannot send to 192.0.2.1 (network is unreachable)`. */
export function problemText({ kind, host, port, code }: ContactProblem): string {
  const reason = systemErrorText(code);
  switch (kind) {
    case 'unresolved':
      return code === 'ENOTFOUND' || code === 'ENODATA'
        ? `the relay's name ${host} does not exist (${code})`
        : `the relay's name ${host} does not resolve yet (${code})`;
    case 'cannot-send':
      return `this machine cannot send to ${host} (${reason})`;
    case 'unreachable':
      return `${host} cannot be reached, according to a router or the host itself (${reason})`;
    case 'not-listening':
      return `${host} answers, but nothing listens on UDP ${port}`;
  }
}

/** What to do about it. */
export const PROBLEM_HINTS: Readonly<Record<ContactProblem['kind'], string>> = {
  unresolved: "check the name and this machine's network",
  'cannot-send': "check this machine's network and its own firewall",
  unreachable: 'check the address and the firewalls on the path',
  'not-listening': 'start the relay, or check the port; a firewall that rejects packets looks the same',
};

/** What is wrong, and what to do. */
export function problemLine(problem: ContactProblem): string {
  return `${problemAdvice(problem)} (still trying)`;
}

/** The same when nothing is tried any more. */
export function problemAdvice(problem: ContactProblem): string {
  return `${problemText(problem)}: ${PROBLEM_HINTS[problem.kind]}`;
}

/** How long nothing was heard, how many connections wait, and the cause or what to check. */
export function noAnswerText({ relay, silentMs, waitingConnections, problem }: EventOf<'no-answer'>): string {
  const waiting =
    waitingConnections === 0
      ? ''
      : `, ${waitingConnections} ${waitingConnections === 1 ? 'connection waits' : 'connections wait'}`;
  const why =
    problem === undefined
      ? "check that the relay runs, that UDP reaches it, that each side has the other's public key, and that this machine's clock is right"
      : problemText(problem);
  return `no answer from ${formatTarget(relay)} for ${formatDuration(silentMs)}${waiting}: ${why} (still trying)`;
}

type EventOf<Type extends ClientEvent['type']> = Extract<ClientEvent, { readonly type: Type }>;
