/** Runs a forward whose targets the programs choose, with SOCKS or HTTP's CONNECT (`-D`, docs/spec/proxy.md). */
import type { Socket } from 'node:net';
import {
  answerAndClose,
  type DynamicForward,
  type Listener,
  listenAt,
  MAX_PROXY_DIALOGUES,
  PROXY_REQUEST_TIMEOUT_MS,
  ProxyDialogue,
  ProxyEnd,
  type ProxyRequest,
  resetSocket,
} from '@underpass/forward';
import type { Timers } from '@underpass/runtime';
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
  /** Connections whose target is not known yet. */
  readonly #asking = new Set<Socket>();
  #listener: Listener | undefined;

  constructor(spec: DynamicForward, options: DynamicForwardingOptions) {
    this.#spec = spec;
    this.#options = options;
  }

  async start(): Promise<BoundForward> {
    this.#listener = await listenAt(this.#spec.place, (socket) => {
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
    const { target } = request;
    // UDP ASSOCIATE belongs here: a `request.command` of its own, which needs no stream to one target.
    const end = new ProxyEnd({
      socket,
      request,
      explain: (failure) => failureAdvice(target, failure),
      timers,
    });
    carrier.carry(end, target, nameOfProgram(socket, this.#spec.place));
  }

  #refuse(socket: Socket, reply: Uint8Array, reason: string): void {
    const { emit, timers } = this.#options;
    emit({ type: 'proxy-refused', from: nameOfProgram(socket, this.#spec.place), reason });
    if (reply.length === 0) resetSocket(socket);
    else answerAndClose(socket, reply, timers);
  }
}
