/** What processes report, in words. */
import type { EndpointEvent } from '@underpass/protocol';
import type { NodeName } from '@underpass/testkit/simulation';

/** `client` is the first client. */
export function nameOf(node: NodeName): string {
  return node === 'relay' ? 'Relay' : node.replace('client-', 'Client ').replace('client', 'Client 1');
}

/** @returns undefined for events that only mean more bytes */
export function describeEvent(node: NodeName, event: EndpointEvent): string | undefined {
  const what = words(event);
  return what === undefined ? undefined : `${nameOf(node)}: ${what}`;
}

function words(event: EndpointEvent): string | undefined {
  switch (event.type) {
    case 'connected':
      return 'connected: the handshake is complete and a HELLO has arrived';
    case 'disconnected':
      return `connection over: ${event.error.reason}; ${event.lostStreams} streams ended with it`;
    case 'key-shared':
      return 'another process uses the same key';
    case 'waiting':
      return 'no answer: streams wait';
    case 'resumed':
      return `heard the other side again after ${seconds(event.silentMs)}`;
    case 'moved':
      return `the peer moved from ${event.from.address}:${event.from.port} to ${event.to.address}:${event.to.port}, and proved it`;
    case 'path-fragments':
      return 'even small datagrams are fragmented on this path';
    case 'stream-opened':
      return `stream ${event.stream.id} was opened by the other side`;
    case 'stream-reset':
      return `stream ${event.stream.id} was reset`;
    case 'stream-stopped':
      return `the reader of stream ${event.stream.id} has stopped`;
    case 'stream-closed':
      return `stream ${event.stream.id} is over`;
    case 'clock-behind':
      return `refused a handshake: the clock of the other side is ${seconds(event.earlierClockMs - event.clockMs)} behind`;
    case 'unknown-key':
      return 'refused a handshake of an unknown key';
    default:
      return undefined;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
