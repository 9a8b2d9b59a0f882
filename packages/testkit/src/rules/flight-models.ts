import type { ObservedProcess, RuleWatch } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { FlightModel } from './flight-model.js';
import type { PathModel } from './path-model.js';
import { PerPeer } from './per-peer.js';

interface Flight {
  readonly model: FlightModel;
  /** The IP address that was proven last. */
  provenIp: string | undefined;
}

/** What every process has in flight to each peer. Several rules look at it, and it is computed once for all of them. The
 *  run of the scenario registers `before` ahead of all rules and `after` behind them: rules see a sent packet before it
 *  counts, and an ACK once it took effect. */
export class FlightModels {
  readonly #flights = new PerPeer<Flight>(() => ({ model: new FlightModel(), provenIp: undefined }));
  readonly #path: (process: ObservedProcess, peer: NodeName) => Pick<PathModel, 'proven'>;

  constructor(path: (process: ObservedProcess, peer: NodeName) => Pick<PathModel, 'proven'>) {
    this.#path = path;
  }

  of(process: ObservedProcess, peer: NodeName): FlightModel {
    return this.#flights.of(process, peer).model;
  }

  get before(): RuleWatch {
    return {
      onArrived: ({ by, sent, isFresh, dropped, at }) => {
        if (sent === undefined) return;
        const flight = this.#flights.of(by, sent.by.node);
        const ack = sent.packet?.ack;
        if (ack !== undefined && isFresh && dropped === undefined) flight.model.onAck(at, ack);
        // spec path 4: another path is measured from the start. A trial that fails changes nothing.
        const provenIp = this.#path(by, sent.by.node).proven?.address;
        if (flight.provenIp !== undefined && provenIp !== flight.provenIp) flight.model.onNewPath();
        flight.provenIp = provenIp;
      },
      onEvent: (process, event) => {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        // The address that was proven outlives the connection: if the next one proves another, that is another path.
        const { provenIp } = this.#flights.of(process, peer);
        this.#flights.reset(process, peer);
        this.#flights.of(process, peer).provenIp = provenIp;
      },
    };
  }

  get after(): RuleWatch {
    return {
      onSent: (datagram) => {
        const { by, towards, packet } = datagram;
        if (towards === undefined || packet === undefined) return;
        this.of(by, towards).onSent(datagram, packet);
      },
    };
  }
}
