/** Writes the events of a client's reverse forwards to the log (docs/cli.md, 'Log events'). */
import type { ClientEvent } from '@underpass/client';
import { formatRelayPlace, formatTarget } from '@underpass/forward';
import type { Log } from '@underpass/runtime';
import { formatDuration } from './traffic-totals.js';

type ReverseEvent = Extract<ClientEvent, { readonly forward: string }>;

export function logReverseEvent(log: Log, event: ReverseEvent): void {
  const { forward } = event;
  switch (event.type) {
    case 'reverse-listening': {
      const listener = formatRelayPlace(event.place.bind, event.place.port);
      const target = formatTarget(event.target);
      log.info(
        { event: event.type, forward, listener, target },
        `the relay listens on ${listener} for ${target}`,
      );
      return;
    }
    case 'reverse-refused': {
      const { type, status, advice, retryMs } = event;
      const listener = formatRelayPlace(event.place.bind, event.place.port);
      log.warn(
        { event: type, forward, listener, status, retryMs },
        `${advice}; asking again in ${formatDuration(retryMs)}`,
      );
      return;
    }
    case 'visitor-opened': {
      const { type, id, from } = event;
      const target = formatTarget(event.target);
      log.debug({ event: type, id, forward, target, from }, `${from} reached ${target} through the relay`);
      return;
    }
    case 'visitor-refused': {
      const { type, id, from, status, advice } = event;
      const target = formatTarget(event.target);
      log.warn({ event: type, id, forward, target, from, status }, advice);
      return;
    }
    case 'visitor-closed': {
      const { type, id, from, bytesSent, bytesReceived, clean } = event;
      const target = formatTarget(event.target);
      log.debug(
        { event: type, id, forward, target, from, bytesSent, bytesReceived, clean },
        `${from} ${clean ? 'closed' : 'lost'} ${target}: ${bytesSent} bytes out, ${bytesReceived} in`,
      );
      return;
    }
  }
}
