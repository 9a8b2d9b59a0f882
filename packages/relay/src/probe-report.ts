/** What a peer learns when it probes (spec probe 2). */
import { formatTarget, type ProbeReport } from '@underpass/forward';
import type { Peer } from '@underpass/protocol';
import { unixTimeMs } from '@underpass/runtime';

export function probeReport(name: string, peer: Peer): ProbeReport {
  const { packetsSent, packetsLost, address } = peer.stats();
  return {
    clockMs: unixTimeMs(),
    packetsSent,
    packetsLost,
    address: address === undefined ? '' : formatTarget({ host: address.address, port: address.port }),
    name,
  };
}
