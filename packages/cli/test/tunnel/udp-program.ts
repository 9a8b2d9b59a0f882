/** UDP programs that a test plays. */
import { bindFlowSocket, type FlowSocket } from '@underpass/runtime';
import { onTestFinished } from 'vitest';

export const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
export const bytes = (content: string) => Buffer.from(content);

/** A UDP program: a socket, and what arrives at it. */
export class Program {
  readonly socket: FlowSocket;
  readonly received: { readonly message: Uint8Array; readonly port: number }[] = [];
  #waiting: (() => void)[] = [];

  /** @param answer  what the program answers at once */
  static async start(answer?: (message: Uint8Array) => Uint8Array | undefined): Promise<Program> {
    let program: Program | undefined;
    const socket = await bindFlowSocket(
      { address: '127.0.0.1', port: 0 },
      {
        onMessage: (message, from) => {
          program?.received.push({ message, port: from.port });
          const reply = answer?.(message);
          if (reply !== undefined) socket.send(reply, from);
          for (const wake of program?.waiting() ?? []) wake();
        },
      },
    );
    program = new Program(socket);
    onTestFinished(() => socket.close());
    return program;
  }

  constructor(socket: FlowSocket) {
    this.socket = socket;
  }

  get port(): number {
    return this.socket.address.port;
  }
  waiting(): (() => void)[] {
    return this.#waiting.splice(0);
  }
  send(message: Uint8Array, port: number): void {
    this.socket.send(message, { address: '127.0.0.1', port });
  }
  /** Resolves once that many messages have arrived. */
  async until(count: number): Promise<void> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
  /** Sends a message again and again until one arrives: UDP may lose any. */
  async ask(message: Uint8Array, port: number): Promise<Uint8Array> {
    const { length } = this.received;
    const timer = setInterval(() => this.send(message, port), 200);
    this.send(message, port);
    await this.until(length + 1);
    clearInterval(timer);
    return (this.received[length] as { message: Uint8Array }).message;
  }
}

export const echo = () => Program.start((message) => bytes(`<${text(message)}>`));
