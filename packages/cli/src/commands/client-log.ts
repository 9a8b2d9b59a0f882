/** Writes a client's events and totals to the log. The `event` field is for programs (docs/cli.md, 'Log events'). */
import type { BoundForward, ClientEvent, ClientStatus, DisconnectCause } from '@underpass/client';
import { formatTarget } from '@underpass/forward';
import type { Log } from '@underpass/runtime';
import { noAnswerText, problemLine } from './contact-text.js';
import {
  formatDuration,
  fragmentsText,
  inMicroseconds,
  lossText,
  tooLargeText,
  totals,
  totalsText,
} from './traffic-totals.js';

export function logClientEvent(log: Log, event: ClientEvent): void {
  switch (event.type) {
    case 'connected': {
      const { type } = event;
      const handshakeRttMs = inMicroseconds(event.handshakeRttMs);
      const handshake =
        handshakeRttMs === undefined ? '' : ` (handshake ${formatMilliseconds(handshakeRttMs)})`;
      log.info({ event: type, handshakeRttMs }, `connected to the relay${handshake}`);
      return;
    }
    case 'contact-problem': {
      const { type, problem } = event;
      log.warn(
        { event: type, problem: problem.kind, host: problem.host, port: problem.port, code: problem.code },
        problemLine(problem),
      );
      return;
    }
    case 'no-answer': {
      const { type, waitingConnections } = event;
      log.warn(
        {
          event: type,
          relay: formatTarget(event.relay),
          silentMs: inMicroseconds(event.silentMs),
          waitingConnections,
          problem: event.problem?.kind,
          code: event.problem?.code,
        },
        noAnswerText(event),
      );
      return;
    }
    case 'given-up': {
      const { type, id, waitedMs } = event;
      const target = formatTarget(event.target);
      log.warn(
        { event: type, id, target, waitedMs },
        `the relay was not reached within ${formatDuration(waitedMs)}: the connection to ${target} was reset; a new one tries again`,
      );
      return;
    }
    case 'disconnected':
      log.warn(
        { event: event.type, cause: event.cause, reason: event.reason, lost: event.lostStreams },
        disconnectedText(event.cause, event.reason, lossText(event.lostStreams)),
      );
      return;
    case 'waiting':
      log.warn(
        { event: event.type, silentMs: inMicroseconds(event.silentMs) },
        `the relay has not answered for ${formatDuration(event.silentMs)}: connections wait until it does`,
      );
      return;
    case 'resumed':
      log.info(
        { event: event.type, silentMs: inMicroseconds(event.silentMs) },
        `the relay answers again after ${formatDuration(event.silentMs)}`,
      );
      return;
    case 'path-fragments':
      log.warn(
        { event: event.type, datagramBytes: event.datagramBytes },
        fragmentsText('the relay', event.datagramBytes),
      );
      return;
    case 'stream-opened': {
      const { type, id, from } = event;
      const target = formatTarget(event.target);
      log.debug({ event: type, id, target, from }, `${from} opened ${target}`);
      return;
    }
    case 'refused': {
      const { type, id, status, advice } = event;
      log.warn({ event: type, id, target: formatTarget(event.target), status }, advice);
      return;
    }
    case 'message-too-large': {
      const { type, id, bytes, maxBytes } = event;
      const target = formatTarget(event.target);
      log.warn({ event: type, id, target, bytes, maxBytes }, tooLargeText(target, bytes, maxBytes));
      return;
    }
    case 'stream-closed': {
      const { type, id, bytesSent, bytesReceived, clean } = event;
      const target = formatTarget(event.target);
      log.debug(
        { event: type, id, target, bytesSent, bytesReceived, clean },
        `${clean ? 'closed' : 'lost'} ${target}: ${bytesSent} bytes out, ${bytesReceived} in`,
      );
      return;
    }
  }
}

function disconnectedText(cause: DisconnectCause, reason: string, loss: string): string {
  switch (cause) {
    case 'relay-restarted':
      return `the relay was restarted: ${loss}`;
    case 'relay-stopped':
      return `the relay was stopped: ${loss}; new connections wait for it, up to the connect timeout`;
    case 'removed':
      return `the relay no longer accepts this client (${reason}): ${loss}; ask whoever runs the relay`;
    case 'superseded':
      return `another client with the same key has connected: ${loss}; give each client its own key`;
    case 'error-at-relay':
      return `the relay ended the connection (${reason}): ${loss}; the next connection reconnects`;
    case 'error':
      return `disconnected (${reason}): ${loss}; the next connection through the tunnel reconnects`;
  }
}

/** Logs where a forward listens: `listening on 127.0.0.1:8080 and [::1]:8080 for localhost:80`. */
export function logForward(log: Log, forward: BoundForward): void {
  const places =
    forward.path === undefined
      ? forward.addresses.map(({ address, port }) => formatTarget({ host: address, port }))
      : [formatTarget({ path: forward.path })];
  const target = formatTarget(forward.spec.target);
  log.info(
    {
      event: 'listening',
      forward: forward.spec.text,
      addresses: forward.addresses,
      path: forward.path,
      target,
    },
    `listening on ${places.join(' and ')} for ${target}`,
  );
}

export function logClientSummary(log: Log, status: ClientStatus): void {
  log.info(
    { event: 'summary', suite: status.suite, ...totals(status.relay) },
    `relay: ${totalsText(status.relay)}`,
  );
}

export function formatMilliseconds(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}
