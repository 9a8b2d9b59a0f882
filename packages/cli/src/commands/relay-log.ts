/** Writes a relay's events and totals to the log. The `event` field is for programs (docs/cli.md, 'Log events'). */
import { formatTarget } from '@underpass/forward';
import type { Address } from '@underpass/protocol';
import type { RelayEvent, RelayStatus } from '@underpass/relay';
import { type Log, shortKey } from '@underpass/runtime';
import { encodeKey } from '../key-text.js';
import { cannotSendText } from './contact-text.js';
import {
  formatDuration,
  fragmentsText,
  inMicroseconds,
  lossText,
  tooLargeText,
  totals,
  totalsText,
} from './traffic-totals.js';

type ListenerEvent = Extract<RelayEvent, { readonly listener: string }>;

export function logRelayEvent(log: Log, event: RelayEvent): void {
  switch (event.type) {
    case 'peer-connected': {
      log.info(
        { event: event.type, peer: event.peer, from: event.address },
        `${event.peer} connected${fromText(event.address)}`,
      );
      return;
    }
    case 'peer-disconnected':
      log.info(
        { event: event.type, peer: event.peer, reason: event.reason, lost: event.lostStreams },
        `${event.peer} disconnected (${event.reason}): ${lossText(event.lostStreams)}`,
      );
      return;
    case 'waiting':
      log.info(
        { event: event.type, peer: event.peer, silentMs: inMicroseconds(event.silentMs) },
        `${event.peer} has not answered for ${formatDuration(event.silentMs)}: its connections wait until it does`,
      );
      return;
    case 'resumed':
      log.info(
        { event: event.type, peer: event.peer, silentMs: inMicroseconds(event.silentMs) },
        `${event.peer} answers again after ${formatDuration(event.silentMs)}`,
      );
      return;
    case 'cannot-send': {
      const { type, address, code } = event;
      log.warn(
        { event: type, host: address.address, port: address.port, code },
        cannotSendText(address.address, code),
      );
      return;
    }
    case 'path-fragments':
      log.warn(
        { event: event.type, peer: event.peer, datagramBytes: event.datagramBytes },
        fragmentsText(event.peer, event.datagramBytes),
      );
      return;
    case 'moved': {
      const { type, peer } = event;
      const [from, to] = [event.from, event.to].map((address) => formatTarget(targetOf(address)));
      log.info({ event: type, peer, from: event.from, to: event.to }, `${peer} moved from ${from} to ${to}`);
      return;
    }
    case 'key-shared': {
      const { type, peer, addresses } = event;
      const places = addresses.map((address) => formatTarget(targetOf(address)));
      log.warn(
        { event: type, peer, addresses },
        `${peer} connects from ${places.join(' and ')} in turn: two clients with the same key end each other's connections; give each client its own key`,
      );
      return;
    }
    case 'unknown-key': {
      const publicKey = encodeKey(event.publicKey);
      log.warn(
        { event: event.type, publicKey, from: event.address },
        `a client with the unknown key ${shortKey(event.publicKey)} tries to connect from ${formatTarget(targetOf(event.address))}: if it is yours, add a [[peer]] with public_key = "${publicKey}" and reload`,
      );
      return;
    }
    case 'peer-enrolled':
      log.info(
        { event: event.type, peer: event.peer, publicKey: encodeKey(event.publicKey), from: event.address },
        `${event.peer} enrolled with the key ${shortKey(event.publicKey)}${fromText(event.address)}`,
      );
      return;
    case 'invite-reused':
      log.error(
        { event: event.type, peer: event.peer, publicKey: encodeKey(event.publicKey), from: event.address },
        `the link for ${event.peer} was used a second time, with another key (${shortKey(event.publicKey)})${fromText(event.address)}: somebody else has the link, and one of the two enrolled with it; if you do not know both, run underpass revoke ${event.peer} and invite it again`,
      );
      return;
    case 'enrol-refused': {
      const { type, peer, status, advice } = event;
      log.warn(
        { event: type, peer, status, publicKey: encodeKey(event.publicKey), from: event.address },
        `a client cannot enrol as ${peer}${fromText(event.address)}: ${advice}`,
      );
      return;
    }
    case 'clock-behind': {
      const { type, peer } = event;
      const [clock, earlierClock] = [utc(event.clockMs), utc(event.earlierClockMs)];
      log.warn(
        { event: type, peer, clock, earlierClock },
        `${peer}'s clock went back from ${earlierClock} to ${clock}: ${peer} is refused until its clock passes the earlier time; set its clock, or restart this relay`,
      );
      return;
    }
    case 'stream-opened': {
      const { type, peer, id, address } = event;
      const target = formatTarget(event.target);
      log.info({ event: type, peer, id, target, address }, `${peer} opened ${target} (${address})`);
      return;
    }
    case 'refused': {
      const { type, peer, id, status, advice } = event;
      const target = event.target === undefined ? undefined : formatTarget(event.target);
      const command = status === 'not-allowed' ? ` (underpass allow ${peer} RULE)` : '';
      log.warn({ event: type, peer, id, target, status }, `${advice}${command}`);
      return;
    }
    case 'message-too-large': {
      const { type, peer, id, bytes, maxBytes } = event;
      const target = formatTarget(event.target);
      log.warn(
        { event: type, peer, id, target, bytes, maxBytes },
        tooLargeText(`${target} for ${peer}`, bytes, maxBytes),
      );
      return;
    }
    case 'stream-forbidden': {
      const { type, peer, id, advice } = event;
      log.info({ event: type, peer, id, target: formatTarget(event.target) }, advice);
      return;
    }
    case 'stream-closed': {
      const { type, peer, id, bytesSent, bytesReceived, clean, idleMs } = event;
      const target = formatTarget(event.target);
      if (idleMs !== undefined) {
        const why = idleText(idleMs);
        log.info(
          { event: type, peer, id, target, bytesSent, bytesReceived, clean, idleMs },
          `${peer} lost ${target}: ${why}`,
        );
        return;
      }
      log.debug(
        { event: type, peer, id, target, bytesSent, bytesReceived, clean },
        `${peer} ${clean ? 'closed' : 'lost'} ${target}: ${bytesSent} bytes out, ${bytesReceived} in`,
      );
      return;
    }
    default:
      logListenerEvent(log, event);
  }
}

/** The events of reverse forwards. */
function logListenerEvent(log: Log, event: ListenerEvent): void {
  const { peer, listener } = event;
  switch (event.type) {
    case 'listener-opened': {
      const { type, addresses } = event;
      log.info({ event: type, peer, listener, addresses }, `listening on ${listener} for ${peer}`);
      return;
    }
    case 'listener-closed': {
      const { type, reason } = event;
      log.info(
        { event: type, peer, listener, reason },
        `no longer listening on ${listener} for ${peer}: ${reason}`,
      );
      return;
    }
    case 'listen-refused': {
      const { type, status, advice } = event;
      const command = status === 'not-allowed' ? ` (underpass allow ${peer} --listen RULE)` : '';
      log.warn({ event: type, peer, listener, status }, `${advice}${command}`);
      return;
    }
    case 'visitor-opened': {
      const { type, id, from } = event;
      const visitor = visitorText(from);
      log.info({ event: type, peer, id, listener, from }, `${visitor} opened ${listener} of ${peer}`);
      return;
    }
    case 'visitor-refused': {
      const { type, id, from, status, advice } = event;
      log.warn({ event: type, peer, id, listener, from, status }, `${peer}: ${advice}`);
      return;
    }
    case 'visitor-closed': {
      const { type, id, from, bytesSent, bytesReceived, clean, idleMs } = event;
      const visitor = visitorText(from);
      if (idleMs !== undefined) {
        const why = idleText(idleMs);
        log.info(
          { event: type, peer, id, listener, from, bytesSent, bytesReceived, clean, idleMs },
          `${visitor} lost ${listener} of ${peer}: ${why}`,
        );
        return;
      }
      log.debug(
        { event: type, peer, id, listener, from, bytesSent, bytesReceived, clean },
        `${visitor} ${clean ? 'closed' : 'lost'} ${listener} of ${peer}: ${bytesSent} bytes in, ${bytesReceived} out`,
      );
      return;
    }
  }
}

function idleText(idleMs: number): string {
  return `reset, because nothing had moved for ${Math.floor(idleMs / 60_000)} min`;
}

/** A visitor of a unix socket has no address. */
function visitorText(from: Parameters<typeof targetOf>[0]): string {
  return from.port === 0 ? 'a program here' : formatTarget(targetOf(from));
}

/** Logs one line for each peer that has connected. */
export function logRelaySummary(log: Log, status: RelayStatus): void {
  for (const { name, stats } of status.peers) {
    if (stats.handshakes === 0) continue;
    log.info(
      { event: 'summary', peer: name, suite: status.suite, ...totals(stats) },
      `${name}: ${totalsText(stats)}`,
    );
  }
}

/** `2026-11-26T10:15:00Z` */
function utc(unixMs: number): string {
  return `${new Date(unixMs).toISOString().split('.')[0]}Z`;
}

function fromText(address: Address | undefined): string {
  return address === undefined ? '' : ` from ${formatTarget(targetOf(address))}`;
}

function targetOf(address: { readonly address: string; readonly port: number }) {
  return { host: address.address, port: address.port };
}
