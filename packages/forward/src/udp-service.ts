/** Serves a request for a flow to one target: judges it and carries its messages (spec forwarding 5.1, 5.2). */
import { connectFlowSocket, type FlowSocket, type FlowSocketHandler, systemCode } from '@underpass/runtime';
import type { AllowRule } from './allow-rules.js';
import { judgeAddresses, judgeTarget } from './authorize.js';
import { inDialOrder } from './dial-order.js';
import { idleLimitMs } from './flow-idle.js';
import { FlowService, type FlowServiceOptions, type SharedByFlows } from './flow-service.js';
import { DIAL_TIMEOUT_MS, MAX_DIAL_ADDRESSES } from './forward-constants.js';
import { formatTarget, type UdpTarget } from './forward-spec.js';
import type { IncomingRequest } from './incoming-request.js';

/** Opens a socket that is connected to one address. */
export type ConnectUdp = typeof connectFlowSocket;

/** Turns a request into a UDP socket for one flow, or into a refusal.
 *
 *  It checks the target against the peer's rules, resolves the name, checks each address and connects a socket to the
 *  first that works, so that the system drops messages of anybody else. It never sends to an address that was not
 *  checked, and keeps no message: what cannot be passed on at once is dropped. */
export class UdpService extends FlowService {
  readonly #connectUdp: ConnectUdp;
  #callOff: (() => void) | undefined;
  #socket: FlowSocket | undefined;
  /** The address of the socket's other end, and the rules that permitted it. */
  #address = '';
  #judgedBy: readonly AllowRule[] = [];

  constructor(
    request: IncomingRequest,
    target: UdpTarget,
    options: FlowServiceOptions,
    shared: SharedByFlows,
    connectUdp: ConnectUdp = connectFlowSocket,
  ) {
    super(request, target, options, shared);
    this.#connectUdp = connectUdp;
  }

  start(): void {
    const verdict = judgeTarget(this.options.rules(), this.target);
    if (verdict.kind === 'refused') this.request.refuse('not-allowed', verdict.advice);
    else if (this.enter()) {
      if (verdict.kind === 'addresses') void this.#connect(verdict.addresses);
      else this.#lookUp(verdict.name);
    }
  }

  override cancel(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    super.cancel();
  }

  onRulesChanged(): void {
    if (this.#socket === undefined) return;
    const advice = this.#judgeAgain();
    if (advice !== undefined) this.forbid(advice);
  }

  protected fromPeer(message: Uint8Array): void {
    this.#socket?.send(message);
  }

  protected closeSocket(): void {
    this.#socket?.close();
  }

  #lookUp(name: string): void {
    const { timers } = this.shared;
    const timer = timers.set(() => {
      this.request.refuse(
        'timed-out',
        `${name} did not resolve within ${DIAL_TIMEOUT_MS / 1000} s: check this machine's DNS`,
      );
    }, DIAL_TIMEOUT_MS);
    const leave = this.options.lookups.lookup(this.options, name, (outcome) => {
      timers.clear(timer);
      this.#callOff = undefined;
      if (outcome.ok && outcome.addresses.length > 0) void this.#connect(outcome.addresses);
      else if (!this.options.descriptors.hasRoom()) this.refuseForDescriptors();
      else {
        this.request.refuse(
          'name-not-found',
          `${name} does not resolve here: check the name and this machine's DNS`,
        );
      }
    });
    this.#callOff = () => {
      timers.clear(timer);
      leave();
    };
  }

  /** spec forwarding 3.4: judges each address by itself, and connects only to those that were permitted */
  async #connect(candidates: readonly string[]): Promise<void> {
    const { rules, ownAddresses = () => [] } = this.options;
    this.#judgedBy = rules();
    const ordered = inDialOrder(candidates);
    const { permitted, advice } = judgeAddresses(
      this.#judgedBy,
      this.target,
      ordered,
      MAX_DIAL_ADDRESSES,
      ownAddresses,
    );
    if (permitted.length === 0) {
      this.request.refuse('not-allowed', advice);
      return;
    }
    const handler: FlowSocketHandler = { onMessage: (message) => this.toPeer(message) };
    let code = '';
    for (const address of permitted) {
      try {
        this.#open(await this.#connectUdp({ address, port: this.target.port }, handler), address);
        return;
      } catch (error) {
        code = systemCode(error);
      }
      if (this.isOver) return;
    }
    if (code === 'EMFILE' || code === 'ENFILE') this.refuseForDescriptors();
    else {
      const where = formatTarget(this.target);
      const advice = `${where} cannot be reached from this machine: there is no route to it`;
      this.request.refuse('unreachable', advice);
    }
  }

  #open(socket: FlowSocket, address: string): void {
    this.#socket = socket;
    this.#address = address;
    const advice = this.#judgeAgain();
    // The peer may have given up meanwhile, or its rules may have changed.
    if (this.isOver) socket.close();
    else if (advice === undefined) this.opened(address, idleLimitMs(this.target.port));
    else this.request.refuse('not-allowed', advice);
  }

  /** @returns why the rules of now do not permit the flow, or undefined */
  #judgeAgain(): string | undefined {
    const { rules, ownAddresses = () => [] } = this.options;
    const current = rules();
    if (current === this.#judgedBy) return undefined;
    this.#judgedBy = current;
    const { permitted, advice } = judgeAddresses(current, this.target, [this.#address], 1, ownAddresses);
    return permitted.length > 0 ? undefined : advice;
  }
}
