/** A program's UDP ASSOCIATE: its messages go through one flow to whatever targets they name (spec proxy 9). */
import type { Socket } from 'node:net';
import type { Address } from '@underpass/protocol';
import { bindFlowSocket, type FlowSocket, type Timers } from '@underpass/runtime';
import { FlowIdle } from '../flow-idle.js';
import { FLOW_IDLE_MS } from '../forward-constants.js';
import { formatAddress, parseAddress } from '../host.js';
import type { OutgoingFlow } from '../outgoing-flow.js';
import { resetSocket } from '../reset-socket.js';
import type { TunnelFailure } from '../tunnel-error.js';
import { answerAndClose } from './proxy-end.js';
import type { AssociateRequest } from './proxy-request.js';

/** Reserved bytes and the number of a fragment, before the address of each message (RFC 1928 §7). */
const HEADER_BYTES = 3;

/** How the association opens a flow. */
export interface FlowEnd {
  onMessage(message: Uint8Array): void;
  onOpened(): void;
  onFailed(failure: TunnelFailure): void;
}

export interface UdpAssociationOptions {
  /** The program's TCP connection, just after its request. */
  readonly socket: Socket;
  readonly request: AssociateRequest;
  /** Returns undefined when no flow can be opened; `onFailed` says why. */
  readonly openFlow: (end: FlowEnd) => OutgoingFlow | undefined;
  readonly timers: Timers;
  readonly now: () => number;
  /** Called once, when nothing is left. */
  readonly onEnd: () => void;
}

/** Carries the messages of one association.
 *
 *  It lives as long as the program's TCP connection, and the connection ends when the association cannot go on, so that
 *  the program notices. The UDP socket takes messages only from the address of that connection, and only from the first
 *  port that it hears there. The flow may end before the association, because it was idle or the relay restarted: the
 *  next message opens another one. */
export class UdpAssociation {
  readonly #options: UdpAssociationOptions;
  readonly #programAddress: string;
  #programPort: number;
  #udp: FlowSocket | undefined;
  #flow: OutgoingFlow | undefined;
  #idle: FlowIdle | undefined;
  #isGranted = false;
  #isOver = false;

  constructor(options: UdpAssociationOptions) {
    this.#options = options;
    this.#programAddress = plainAddress(options.socket.remoteAddress);
    this.#programPort = options.request.fromPort;
  }

  /** Answers the program once the relay has opened the first flow. */
  async start(): Promise<void> {
    const { socket } = this.#options;
    // Nothing more is expected of the program. The end of its connection is the end of the association.
    socket.on('error', () => {}).on('data', () => {});
    socket.on('end', () => socket.end()).once('close', () => this.#end());
    socket.resume();
    const local = plainAddress(socket.localAddress);
    const onMessage = (message: Uint8Array, from: Address): void => this.#fromProgram(message, from);
    try {
      this.#udp = await bindFlowSocket({ address: local, port: 0 }, { onMessage });
    } catch {
      this.#fail('internal-error');
      return;
    }
    if (this.#isOver) this.#udp.close();
    else this.#open();
  }

  #open(): void {
    const { openFlow, timers, now } = this.#options;
    this.#idle?.stop();
    this.#idle = new FlowIdle(FLOW_IDLE_MS, timers, now, () => this.#flow?.end());
    this.#flow = openFlow({
      onMessage: (message) => this.#toProgram(message),
      onOpened: () => this.#grant(),
      onFailed: (failure) => this.#fail(failure),
    });
  }

  #grant(): void {
    if (this.#isGranted || this.#udp === undefined) return;
    this.#isGranted = true;
    const { socket, request } = this.#options;
    socket.write(request.granted(this.#udp.address));
  }

  #fail(failure: TunnelFailure): void {
    if (this.#isOver) return;
    const { socket, request, timers } = this.#options;
    if (this.#isGranted) resetSocket(socket);
    else answerAndClose(socket, request.refusal(failure), timers);
    this.#end();
  }

  #fromProgram(message: Uint8Array, { address, port }: Address): void {
    if (address !== this.#programAddress || !this.#isGranted || this.#isOver) return;
    // Fragments are dropped, as RFC 1928 §7 permits.
    if (message.length < HEADER_BYTES || message[2] !== 0) return;
    if (this.#programPort === 0) this.#programPort = port;
    if (port !== this.#programPort) return;
    if (this.#flow?.isOver !== false) this.#open();
    this.#idle?.touch();
    this.#flow?.send(message.subarray(HEADER_BYTES));
  }

  #toProgram(message: Uint8Array): void {
    if (this.#programPort === 0) return;
    this.#idle?.touch();
    const whole = new Uint8Array(HEADER_BYTES + message.length);
    whole.set(message, HEADER_BYTES);
    this.#udp?.send(whole, { address: this.#programAddress, port: this.#programPort });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#idle?.stop();
    this.#flow?.end();
    this.#udp?.close();
    this.#options.onEnd();
  }
}

/** In the form that UDP sockets report. */
function plainAddress(text = ''): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}
