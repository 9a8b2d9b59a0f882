/** A running client or relay, as the inspector reads it. */
import type { Client } from '@underpass/client';
import { formatTarget } from '@underpass/forward';
import type { Peer } from '@underpass/protocol';
import type { Relay } from '@underpass/relay';
import type { ProcessSnapshot } from '@underpass/trace';
import { VERSION } from '../version.js';

export interface InspectedPeer {
  readonly name: string;
  readonly peer: Peer;
  /** Where each stream leads, by its id. */
  readonly targets: () => ReadonlyMap<number, string>;
}

export interface InspectedProcess {
  readonly process: ProcessSnapshot;
  peers(): readonly InspectedPeer[];
}

/** @param name  what `underpass status` calls it */
export function inspectedClient(name: string, client: Client): InspectedProcess {
  const { suite, socket } = client.status();
  const targets = (): ReadonlyMap<number, string> =>
    new Map(
      client
        .status()
        .streams.flatMap(({ streamId, target }) =>
          streamId === undefined ? [] : [[streamId, formatTarget(target)]],
        ),
    );
  return {
    process: { kind: 'client', name, version: VERSION, suite, socket },
    peers: () => [{ name, peer: client.peer, targets }],
  };
}

/** @param name  what `underpass status` calls it */
export function inspectedRelay(name: string, relay: Relay): InspectedProcess {
  const { suite, socket } = relay.status();
  return {
    process: { kind: 'relay', name, version: VERSION, suite, socket },
    peers: () =>
      Array.from(relay.members, (member) => ({
        name: member.name,
        peer: member.peer,
        targets: () => new Map(member.streams.map(({ id, target }) => [id, formatTarget(target)])),
      })),
  };
}
