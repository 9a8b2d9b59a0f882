/** Writes a client's events and totals to the log. The `event` field is for programs (docs/cli.md, 'Log events'). */
import type { BoundForward, ClientEvent, ClientStatus, DisconnectCause } from '@underpass/client';
import { formatRelayPlace, formatTarget, isUnix, type ListenPlace, relayPlaceOf } from '@underpass/forward';
import type { Log } from '@underpass/runtime';
import { placesOf } from '../forward-places.js';
import { logReverseEvent } from './client-reverse-log.js';
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
      if (log.isLevelEnabled?.('debug') === false) return;
      const { type, id, from } = event;
      const target = formatTarget(event.target);
      log.debug({ event: type, id, target, from }, `${from} opened ${target}`);
      return;
    }
    case 'proxy-refused': {
      const { type, from, reason } = event;
      log.warn(
        { event: type, from },
        `${from} asked the dynamic forward for something it does not do: ${reason}`,
      );
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
    default:
      logReverseEvent(log, event);
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
  const places = placesOf(forward);
  const { spec, addresses, path } = forward;
  const fields = { event: 'listening', kind: spec.kind, forward: spec.text, addresses, path };
  const where = `listening on ${places.join(' and ')}`;
  switch (spec.kind) {
    case 'local':
    case 'udp': {
      const target = formatTarget(spec.target);
      log.info({ ...fields, target }, `${where} for ${target}`);
      return;
    }
    case 'reverse': {
      const { bind, port } = relayPlaceOf(spec.place);
      const listener = formatRelayPlace(bind, port);
      const target = formatTarget(spec.target);
      log.info(
        { event: 'asking', forward: spec.text, listener, target },
        `asking the relay to listen on ${listener} for ${target}`,
      );
      return;
    }
    case 'dynamic':
      log.info(fields, `${where} for any target, by SOCKS or HTTP CONNECT`);
      if (!isLoopbackOnly(spec.place)) {
        log.warn(
          { event: 'open-proxy', forward: spec.text },
          `anyone who reaches ${places.join(' or ')} can use this client's access, because a dynamic forward has no password: limit it with a firewall`,
        );
      }
      return;
  }
}

function isLoopbackOnly(place: ListenPlace): boolean {
  if (isUnix(place) || place.bind.kind === 'loopback') return true;
  return place.bind.kind === 'host' && /^(127\.[0-9.]+|::1)$/.test(place.bind.host);
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
