/** What the services for both kinds of UDP request have in common (spec forwarding 5). */
import { StreamErrorCode, type TurnoverSet } from '@underpass/protocol';
import type { AllowRule } from './allow-rules.js';
import { OUT_OF_DESCRIPTORS } from './descriptor-guard.js';
import type { DialServiceOptions, SharedByDials } from './dial-service.js';
import { endFlow } from './flow-end.js';
import { FlowIdle } from './flow-idle.js';
import { DIALS_PER_SECOND, MAX_FLOWS_PER_PEER } from './forward-constants.js';
import type { Target, UdpTarget } from './forward-spec.js';
import type { IncomingRequest, RequestService } from './incoming-request.js';
import type { RequestStatus } from './request.js';
import type { TcpRouteOptions } from './tcp-route.js';

export interface FlowServiceOptions
  extends Pick<DialServiceOptions, 'tunnel'>,
    Omit<TcpRouteOptions, 'rules'> {
  readonly rules: () => readonly AllowRule[];
}

/** What the flows of one peer share. */
export interface SharedByFlows
  extends Pick<SharedByDials, 'queue' | 'timers' | 'now' | 'limit' | 'onOpened' | 'onForbidden' | 'onEnd'> {
  /** Those that are opening or open. */
  readonly flows: TurnoverSet<FlowService>;
  /** A message of the target was larger than the path to the peer carries. Called once for each flow. */
  onTooLarge(id: number, target: Target, bytes: number, maxBytes: number): void;
  /** A flow without a fixed target asked for one that is not permitted, or cannot be found. */
  onRefused(id: number, target: UdpTarget, status: RequestStatus, advice: string): void;
}

/** One flow of a peer: its place among the peer's flows, its end, and what it counts.
 *
 *  A subclass owns the socket. It calls `enter` before it uses anything, `opened` once messages can pass, `toPeer` for
 *  each message that arrives, and gets each message of the peer in `fromPeer`. The flow ends when the peer ends the
 *  stream, when no message has passed for a while, or when the subclass calls `end`; then `closeSocket` is called. */
export abstract class FlowService implements RequestService {
  protected readonly request: IncomingRequest;
  protected readonly target: UdpTarget;
  protected readonly options: FlowServiceOptions;
  protected readonly shared: SharedByFlows;
  protected isOver = false;
  #idle: FlowIdle | undefined;
  #bytesSent = 0;
  #bytesReceived = 0;
  #reportedTooLarge = false;

  constructor(
    request: IncomingRequest,
    target: UdpTarget,
    options: FlowServiceOptions,
    shared: SharedByFlows,
  ) {
    this.request = request;
    this.target = target;
    this.options = options;
    this.shared = shared;
  }

  abstract start(): void;
  /** Call when the peer's rules have changed (spec forwarding 3.9). */
  abstract onRulesChanged(): void;
  /** Passes on a message of the peer. */
  protected abstract fromPeer(message: Uint8Array): void;
  protected abstract closeSocket(): void;

  cancel(): void {
    this.isOver = true;
    this.#idle?.stop();
    this.closeSocket();
    this.shared.flows.delete(this);
  }

  // ---- the stream's events ----------------------------------------------------------------------------------

  onDatagrams(): void {
    const { stream } = this.request;
    for (let message = stream.readDatagram(); message !== undefined; message = stream.readDatagram()) {
      if (this.isOver) return;
      this.#idle?.touch();
      if (this.shared.limit?.fromPeer.takeMessage(message.length) === false) continue;
      this.#bytesReceived += message.length;
      this.fromPeer(message);
    }
  }

  /** Nothing may follow the request, so this can only be the FIN, with which the peer ends the flow. */
  onReadable(): void {
    const { stream } = this.request;
    while (stream.read() !== undefined);
    if (stream.readFinished) this.end(true);
  }
  onStopped(): void {
    this.end(true);
  }
  onReset(): void {
    this.end(false);
  }
  onClosed(): void {
    this.end(false);
  }

  // ---- for the subclass -------------------------------------------------------------------------------------

  /** Takes a place among the peer's flows.
   *  @returns false if there is none, and the request is refused */
  protected enter(): boolean {
    const { flows, queue } = this.shared;
    if (flows.size >= MAX_FLOWS_PER_PEER) {
      this.request.refuse('too-many-streams', `${MAX_FLOWS_PER_PEER} flows are open already`);
    } else if (!this.options.descriptors.hasRoom()) this.refuseForDescriptors();
    else if (!queue.takeToken()) {
      const reason = `more than ${DIALS_PER_SECOND} connections and flows a second were asked for`;
      this.request.refuse('too-many-streams', reason);
    } else {
      flows.add(this);
      return true;
    }
    return false;
  }

  protected refuseForDescriptors(): void {
    this.request.refuse('internal-error', OUT_OF_DESCRIPTORS);
  }

  /** Answers the request, and passes on the messages that came with it.
   *  @param address  what the flow leads to, for display */
  protected opened(address: string, idleMs: number): void {
    const { timers, now } = this.shared;
    this.#idle = new FlowIdle(idleMs, timers, now, () => this.end(true));
    this.request.open();
    this.shared.onOpened(this.request.stream.id, this.target, address);
    this.onDatagrams();
    this.onReadable();
    this.options.tunnel.wake();
  }

  protected toPeer(message: Uint8Array): void {
    const { stream } = this.request;
    if (this.isOver) return;
    this.#idle?.touch();
    if (this.shared.limit?.toPeer.takeMessage(message.length) === false) return;
    const outcome = stream.sendDatagram(this.shared.now(), message);
    if (outcome === 'queued') {
      this.#bytesSent += message.length;
      this.options.tunnel.wake();
    } else if (outcome === 'too-large' && !this.#reportedTooLarge) {
      this.#reportedTooLarge = true;
      this.shared.onTooLarge(stream.id, this.target, message.length, stream.maxDatagramBytes);
    }
  }

  /** Ends the flow because no rule permits it any more. */
  protected forbid(advice: string): void {
    const { stream } = this.request;
    this.shared.onForbidden(stream.id, this.target, advice);
    stream.reset(StreamErrorCode.refused);
    this.end(false);
  }

  protected end(clean: boolean): void {
    if (this.isOver) return;
    const { stream } = this.request;
    this.cancel();
    endFlow(stream);
    const [bytesSent, bytesReceived] = [this.#bytesSent, this.#bytesReceived];
    this.shared.onEnd(stream.id, this.target, { bytesSent, bytesReceived, clean });
    this.options.tunnel.wake();
  }
}
