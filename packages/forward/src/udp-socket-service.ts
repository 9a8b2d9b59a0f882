/** Serves a request for a flow without a fixed target (spec forwarding 5.7). */
import type { Address } from '@underpass/protocol';
import { bindFlowSocket, type FlowSocket, systemCode } from '@underpass/runtime';
import { decodeAddressed, encodeAddressed } from './addressed-message.js';
import { FlowService, type FlowServiceOptions, type SharedByFlows } from './flow-service.js';
import { FLOW_IDLE_MS } from './forward-constants.js';
import { ANY_UDP_TARGET } from './forward-spec.js';
import type { IncomingRequest } from './incoming-request.js';
import { UdpDestinations } from './udp-destinations.js';

/** Opens a socket that is not connected. */
export type BindUdp = typeof bindFlowSocket;

const NO_UDP_RULE = 'no rule allows UDP; to allow a target, add a rule such as 9.9.9.9:53/udp';

/** Gives a flow one socket for all its targets, so that each of them sees the same address.
 *
 *  `UdpDestinations` judges every target. The socket hears anybody who guesses its port, so only messages from addresses
 *  to which the flow has sent are passed on. */
export class UdpSocketService extends FlowService {
  readonly #bindUdp: BindUdp;
  readonly #destinations: UdpDestinations;
  #socket: FlowSocket | undefined;

  constructor(
    request: IncomingRequest,
    options: FlowServiceOptions,
    shared: SharedByFlows,
    bindUdp: BindUdp = bindFlowSocket,
  ) {
    super(request, ANY_UDP_TARGET, options, shared);
    this.#bindUdp = bindUdp;
    this.#destinations = new UdpDestinations({
      peer: options,
      lookups: options.lookups,
      rules: options.rules,
      ownAddresses: options.ownAddresses ?? (() => []),
      timers: shared.timers,
      now: shared.now,
      send: (payload, to) => this.#socket?.send(payload, to),
      onRefused: (target, status, advice) => shared.onRefused(request.stream.id, target, status, advice),
    });
  }

  start(): void {
    if (!this.#hasRule) this.request.refuse('not-allowed', NO_UDP_RULE);
    else if (this.enter()) void this.#bind();
  }

  onRulesChanged(): void {
    this.#destinations.clear();
    if (this.#socket !== undefined && !this.#hasRule) this.forbid(NO_UDP_RULE);
  }

  protected fromPeer(message: Uint8Array): void {
    const decoded = decodeAddressed(message);
    if (decoded !== undefined) this.#destinations.send(decoded.target, decoded.payload);
  }

  protected closeSocket(): void {
    this.#destinations.clear();
    this.#socket?.close();
  }

  get #hasRule(): boolean {
    return this.options.rules().some(({ protocol }) => protocol === 'udp');
  }

  async #bind(): Promise<void> {
    const onMessage = (message: Uint8Array, from: Address): void => {
      if (this.#destinations.has(from)) this.toPeer(encodeAddressed(from, message));
    };
    let code = '';
    // Without IPv6 on this machine, IPv4 has to do.
    for (const address of ['::', '0.0.0.0']) {
      try {
        this.#socket = await this.#bindUdp({ address, port: 0 }, { onMessage });
        if (this.isOver) this.#socket.close();
        else if (this.#hasRule) this.opened(address, FLOW_IDLE_MS);
        else this.request.refuse('not-allowed', NO_UDP_RULE);
        return;
      } catch (error) {
        code = systemCode(error);
      }
      if (this.isOver) return;
    }
    if (code === 'EMFILE' || code === 'ENFILE') this.refuseForDescriptors();
    else this.request.refuse('internal-error', `a UDP socket could not be opened (${code})`);
  }
}
