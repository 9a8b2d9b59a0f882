/** Runs a forward whose targets the programs choose, with SOCKS or HTTP's CONNECT (`-D`, docs/spec/proxy.md). */
import type { Socket } from 'node:net';
import {
  ANY_UDP_TARGET,
  type AssociateRequest,
  answerAndClose,
  type DynamicForward,
  isUnix,
  type Listener,
  listenAt,
  MAX_FLOWS_PER_FORWARD,
  MAX_PROXY_DIALOGUES,
  PROXY_REQUEST_TIMEOUT_MS,
  ProxyDialogue,
  ProxyEnd,
  type ProxyRequest,
  resetSocket,
  UdpAssociation,
} from '@underpass/forward';
import { monotonicMs, type Timers } from '@underpass/runtime';
import { failureAdvice } from './advice.js';
import type { Carrier } from './carrier.js';
import type { BoundForward, ClientEvent } from './client-options.js';
import { boundForward, type Forwarding } from './forwarding.js';
import { nameOfProgram } from './program-name.js';

export interface DynamicForwardingOptions {
  readonly carrier: Carrier;
  readonly emit: (event: ClientEvent) => void;
  readonly timers: Timers;
}

/** Listens, and talks to each program until its target is known. From then on the carrier has the connection. */
export class DynamicForwarding implements Forwarding {
  readonly #spec: DynamicForward;
  readonly #options: DynamicForwardingOptions;
  readonly #listen: typeof listenAt;
  /** Connections whose target is not known yet. */
  readonly #asking = new Set<Socket>();
  #listener: Listener | undefined;
  #associations = 0;

  constructor(spec: DynamicForward, options: DynamicForwardingOptions, listen = listenAt) {
    this.#spec = spec;
    this.#options = options;
    this.#listen = listen;
  }

  async start(): Promise<BoundForward> {
    this.#listener = await this.#listen(this.#spec.place, (socket) => {
      if (this.#options.carrier.admit(socket)) this.#ask(socket);
    });
    return boundForward(this.#spec, this.#listener);
  }

  close(): void {
    this.#listener?.close();
    for (const socket of this.#asking) resetSocket(socket);
  }

  #ask(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#asking.size >= MAX_PROXY_DIALOGUES) {
      resetSocket(socket);
      return;
    }
    const { timers } = this.#options;
    const dialogue = new ProxyDialogue();
    const timer = timers.set(() => resetSocket(socket), PROXY_REQUEST_TIMEOUT_MS);
    const stopAsking = (): void => {
      this.#asking.delete(socket);
      timers.clear(timer);
      socket.off('data', onData).off('end', onEnd).off('close', stopAsking);
    };
    const onEnd = (): void => resetSocket(socket);
    const onData = (chunk: Buffer): void => {
      const outcome = dialogue.receive(chunk);
      if (outcome.kind === 'refused') {
        stopAsking();
        this.#refuse(socket, outcome.reply, outcome.reason);
        return;
      }
      if (outcome.reply.length > 0) socket.write(outcome.reply);
      if (outcome.kind === 'more') return;
      stopAsking();
      socket.pause();
      // spec proxy 7: it belongs to the target
      if (outcome.rest.length > 0) socket.unshift(outcome.rest);
      this.#carry(socket, outcome.request);
    };
    this.#asking.add(socket);
    socket.on('data', onData).on('end', onEnd).on('close', stopAsking);
  }

  #carry(socket: Socket, request: ProxyRequest): void {
    const { carrier, timers } = this.#options;
    if (request.command === 'associate') {
      this.#associate(socket, request);
      return;
    }
    const { target } = request;
    const end = new ProxyEnd({
      socket,
      request,
      explain: (failure) => failureAdvice(target, failure),
      timers,
    });
    carrier.carry(end, target, () => nameOfProgram(socket, this.#spec.place));
  }

  /** spec proxy 9 */
  #associate(socket: Socket, request: AssociateRequest): void {
    const { carrier, timers } = this.#options;
    const { place } = this.#spec;
    if (isUnix(place)) {
      this.#refuse(socket, request.refusal('internal-error'), 'UDP at a unix socket, which has no address');
      return;
    }
    if (this.#associations >= MAX_FLOWS_PER_FORWARD) {
      this.#refuse(socket, request.refusal('too-many-streams'), 'more UDP associations than there may be');
      return;
    }
    this.#associations++;
    const association = new UdpAssociation({
      socket,
      request,
      openFlow: (end) =>
        carrier.openFlow({
          target: ANY_UDP_TARGET,
          request: { kind: 'udp-socket' },
          from: nameOfProgram(socket, place),
          onMessage: (message) => end.onMessage(message),
          onOpened: () => end.onOpened(),
          onFailed: (failure) => end.onFailed(failure),
        }),
      timers,
      now: monotonicMs,
      onEnd: () => {
        this.#associations--;
      },
    });
    void association.start();
  }

  #refuse(socket: Socket, reply: Uint8Array, reason: string): void {
    const { emit, timers } = this.#options;
    emit({ type: 'proxy-refused', from: nameOfProgram(socket, this.#spec.place), reason });
    if (reply.length === 0) resetSocket(socket);
    else answerAndClose(socket, reply, timers);
  }
}
