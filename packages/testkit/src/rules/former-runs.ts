import type { ArrivedDatagram } from '../observer/observer.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

export const formerRuns: Rule = {
  name: 'former runs',
  holds:
    'spec streams 3.4: once the peer has restarted, a packet under a keypair that is bound to the earlier epoch is dropped; streams 3.2: so is one under a keypair for which no HELLO was accepted, unless it begins with one.',
  watch(stage) {
    /** The run of the peer to which the process is connected. */
    const runs = new PerPeer(() => ({ run: 0 }));
    /** The keys under which each process has accepted a HELLO. */
    const helloKeys = new PerPeer(() => new Set<string | undefined>());
    const check = ({ by, sent, dropped }: ArrivedDatagram): void => {
      const { packet, key } = sent ?? {};
      if (sent === undefined || packet === undefined) return;
      const heard = runs.of(by, sent.by.node);
      if (sent.by.run < heard.run && dropped === undefined) {
        stage.report(`${by.name} took packet ${packet.packetNumber} of ${sent.by.name}, a run that is over`);
      }
      if (dropped !== undefined) return;
      if (packet.hello !== undefined) {
        heard.run = Math.max(heard.run, sent.by.run);
        helloKeys.of(by, sent.by.node).add(key);
      } else if (!helloKeys.of(by, sent.by.node).has(key)) {
        stage.report(`${by.name} took packet ${packet.packetNumber} under a keypair without a HELLO`);
      }
    };
    return {
      onArrived(datagram) {
        if (datagram.isFresh) check(datagram);
        else if (datagram.sent !== undefined && !datagram.madeKeypair && datagram.dropped === undefined) {
          stage.report(`${datagram.by.name} took a transport message for the second time`);
        }
      },
    };
  },
};
