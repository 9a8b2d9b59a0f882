/** Serves a request for a flow: judges its target and carries its messages (spec forwarding 5). */
import { connectFlowSocket, type FlowSocket, type FlowSocketHandler, systemCode } from '@underpass/runtime';
import type { AllowRule } from './allow-rules.js';
import { judgeAddresses, judgeTarget } from './authorize.js';
import { OUT_OF_DESCRIPTORS } from './descriptor-guard.js';
import { inDialOrder } from './dial-order.js';
import type { DialServiceOptions, SharedByDials } from './dial-service.js';
import { endFlow } from './flow-end.js';
import { FlowIdle, idleLimitMs } from './flow-idle.js';
import { DIAL_TIMEOUT_MS, MAX_DIAL_ADDRESSES, MAX_FLOWS_PER_PEER } from './forward-constants.js';
import { formatTarget, type Target, type UdpTarget } from './forward-spec.js';
import type { IncomingRequest, RequestService } from './incoming-request.js';
import type { TcpRouteOptions } from './tcp-route.js';

/** Opens a socket that is connected to one address. */
export type ConnectUdp = typeof connectFlowSocket;

export type UdpServiceOptions = Pick<DialServiceOptions, 'tunnel'> & TcpRouteOptions;

/** What the flows of one peer share. */
export interface SharedByFlows extends Pick<SharedByDials, 'timers' | 'now' | 'onOpened' | 'onEnd'> {
  /** Those that are opening or open. */
  readonly flows: Set<object>;
  readonly connectUdp?: ConnectUdp;
  /** A message of the target was larger than the path to the peer carries. Called once for each flow. */
  onTooLarge(id: number, target: Target, bytes: number, maxBytes: number): void;
}

/** Turns a request into a UDP socket for one flow, or into a refusal.
 *
 *  It checks the target against the peer's rules, resolves the name, checks each address and connects a socket to the
 *  first that works, so that the system drops messages of anybody else. From then on it passes messages on in both
 *  directions until the peer ends the stream, no message has come for a while, or the peer's rules no longer permit the
 *  target. It never sends to an address that was not checked, and keeps no message: what cannot be passed on at once is
 *  dropped. */
export class UdpService implements RequestService {
  readonly #request: IncomingRequest;
  readonly #target: UdpTarget;
  readonly #options: UdpServiceOptions;
  readonly #shared: SharedByFlows;
  #cancel: (() => void) | undefined;
  #socket: FlowSocket | undefined;
  #idle: FlowIdle | undefined;
  /** The address of the socket's other end, and the rules that permitted it. */
  #address = '';
  #judgedBy: readonly AllowRule[] = [];
  #bytesSent = 0;
  #bytesReceived = 0;
  #reportedTooLarge = false;
  #isOver = false;

  constructor(
    request: IncomingRequest,
    target: UdpTarget,
    options: UdpServiceOptions,
    shared: SharedByFlows,
  ) {
    this.#request = request;
    this.#target = target;
    this.#options = options;
    this.#shared = shared;
  }

  start(): void {
    const { flows, now } = this.#shared;
    const verdict = judgeTarget(this.#options.rules(), this.#target);
    if (verdict.kind === 'refused') this.#request.refuse('not-allowed', verdict.advice);
    else if (flows.size >= MAX_FLOWS_PER_PEER) {
      this.#request.refuse('too-many-streams', `${MAX_FLOWS_PER_PEER} flows are open already`);
    } else if (!this.#options.descriptors.hasRoom()) this.#refuseForDescriptors();
    else {
      flows.add(this);
      const end = now() + DIAL_TIMEOUT_MS;
      if (verdict.kind === 'addresses') void this.#connect(verdict.addresses);
      else this.#lookUp(verdict.name, end);
    }
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#isOver = true;
    this.#socket?.close();
    this.#shared.flows.delete(this);
  }

  // ---- the stream's events ----------------------------------------------------------------------------------

  onDatagrams(): void {
    const { stream } = this.#request;
    for (let message = stream.readDatagram(); message !== undefined; message = stream.readDatagram()) {
      if (this.#isOver || !this.#isStillPermitted()) return;
      this.#idle?.touch();
      this.#bytesReceived += message.length;
      this.#socket?.send(message);
    }
  }

  /** Nothing may follow the request, so this can only be the FIN, with which the peer ends the flow. */
  onReadable(): void {
    const { stream } = this.#request;
    while (stream.read() !== undefined);
    if (stream.readFinished) this.#end(true);
  }
  onStopped(): void {
    this.#end(true);
  }
  onReset(): void {
    this.#end(false);
  }
  onClosed(): void {
    this.#end(false);
  }

  // ---- opening ----------------------------------------------------------------------------------------------

  #lookUp(name: string, end: number): void {
    const { timers, now } = this.#shared;
    const timer = timers.set(() => {
      this.#request.refuse(
        'timed-out',
        `${name} did not resolve within ${DIAL_TIMEOUT_MS / 1000} s: check this machine's DNS`,
      );
    }, end - now());
    const callOff = this.#options.lookups.lookup(this.#options, name, (outcome) => {
      timers.clear(timer);
      this.#cancel = undefined;
      if (outcome.ok && outcome.addresses.length > 0) void this.#connect(outcome.addresses);
      else if (!this.#options.descriptors.hasRoom()) this.#refuseForDescriptors();
      else {
        this.#request.refuse(
          'name-not-found',
          `${name} does not resolve here: check the name and this machine's DNS`,
        );
      }
    });
    this.#cancel = () => {
      timers.clear(timer);
      callOff();
    };
  }

  /** spec forwarding 3.4: judges each address by itself, and connects only to those that were permitted */
  async #connect(candidates: readonly string[]): Promise<void> {
    const { rules, ownAddresses = () => [] } = this.#options;
    const target = this.#target;
    this.#judgedBy = rules();
    const ordered = inDialOrder(candidates);
    const { permitted, advice } = judgeAddresses(
      this.#judgedBy,
      target,
      ordered,
      MAX_DIAL_ADDRESSES,
      ownAddresses,
    );
    if (permitted.length === 0) {
      this.#request.refuse('not-allowed', advice);
      return;
    }
    const connect = this.#shared.connectUdp ?? connectFlowSocket;
    const handler: FlowSocketHandler = { onMessage: (message) => this.#onMessage(message) };
    let code = '';
    for (const address of permitted) {
      try {
        const socket = await connect({ address, port: target.port }, handler);
        this.#open(socket, address);
        return;
      } catch (error) {
        code = systemCode(error);
      }
      if (this.#isOver) return;
    }
    if (code === 'EMFILE' || code === 'ENFILE') this.#refuseForDescriptors();
    else {
      const where = formatTarget(target);
      this.#request.refuse(
        'unreachable',
        `${where} cannot be reached from this machine: there is no route to it`,
      );
    }
  }

  #open(socket: FlowSocket, address: string): void {
    // The peer may have given up meanwhile.
    if (this.#isOver) {
      socket.close();
      return;
    }
    const { timers, now } = this.#shared;
    this.#socket = socket;
    this.#address = address;
    this.#idle = new FlowIdle(idleLimitMs(this.#target.port), timers, now, () => this.#end(true));
    this.#request.open();
    this.#shared.onOpened(this.#request.stream.id, this.#target, address);
    this.onDatagrams();
    this.onReadable();
    this.#options.tunnel.wake();
  }

  #refuseForDescriptors(): void {
    this.#request.refuse('internal-error', OUT_OF_DESCRIPTORS);
  }

  // ---- carrying ---------------------------------------------------------------------------------------------

  #onMessage(message: Uint8Array): void {
    const { stream } = this.#request;
    if (this.#isOver || !this.#isStillPermitted()) return;
    this.#idle?.touch();
    const outcome = stream.sendDatagram(this.#shared.now(), message);
    if (outcome === 'queued') {
      this.#bytesSent += message.length;
      this.#options.tunnel.wake();
    } else if (outcome === 'too-large' && !this.#reportedTooLarge) {
      this.#reportedTooLarge = true;
      this.#shared.onTooLarge(stream.id, this.#target, message.length, stream.maxDatagramBytes);
    }
  }

  /** Whether the peer's rules permit the flow, which has ended otherwise (spec forwarding 5.2). */
  #isStillPermitted(): boolean {
    const { rules, ownAddresses = () => [] } = this.#options;
    const current = rules();
    if (current === this.#judgedBy) return true;
    this.#judgedBy = current;
    const target = this.#target;
    const isAllowed =
      judgeTarget(current, target).kind !== 'refused' &&
      judgeAddresses(current, target, [this.#address], 1, ownAddresses).permitted.length > 0;
    if (!isAllowed) this.#end(false);
    return isAllowed;
  }

  #end(clean: boolean): void {
    if (this.#isOver) return;
    const { stream } = this.#request;
    this.cancel();
    this.#idle?.stop();
    endFlow(stream);
    const { id } = stream;
    const [bytesSent, bytesReceived] = [this.#bytesSent, this.#bytesReceived];
    this.#shared.onEnd(id, this.#target, { bytesSent, bytesReceived, clean });
    this.#options.tunnel.wake();
  }
}
