/** A connection through a tunnel that is busy in both directions for as long as a test needs it. */
import { createCipheriv, createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { startDeadline } from './deadline.js';
import { connect, startTarget } from './tcp.js';

/** Each end sends at least this much. */
const LEAST_BYTES = 50_000_000;
const PIECE_BYTES = 64 * 1024;
const ZEROS = new Uint8Array(PIECE_BYTES);

/** How a connection was for one of its ends. */
export interface Outcome {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** 'clean end', or the code of the error. */
  readonly how: string;
}

/** An endless text of pseudo-random bytes, always the same for a seed. */
function textOf(seed: number): (length: number) => Buffer {
  const key = createHash('sha256').update(`text ${seed}`).digest();
  const cipher = createCipheriv('aes-256-ctr', key, new Uint8Array(16));
  return (length) =>
    cipher.update(length <= PIECE_BYTES ? ZEROS.subarray(0, length) : new Uint8Array(length));
}

/** One end: sends one text and compares what it receives with another, byte by byte. So what it has received is known to
 *  be the start of what was sent, even if the connection is cut. */
class End {
  sentBytes = 0;
  receivedBytes = 0;
  mayEnd = false;
  readonly outcome: Promise<Outcome>;
  readonly #socket: Socket;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket, sends: number, receives: number) {
    this.#socket = socket;
    this.outcome = this.#receive(textOf(receives));
    this.outcome.catch(() => undefined); // a test that fails earlier does not look at it
    this.#send(textOf(sends));
  }

  /** Resolves when so many more bytes have come.
   *  @throws if the connection has ended */
  async receivesMore(bytes: number): Promise<void> {
    const goal = this.receivedBytes + bytes;
    while (this.receivedBytes < goal) {
      if (this.#socket.destroyed) throw new Error(`the connection ended after ${this.receivedBytes} bytes`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #send(text: (length: number) => Buffer): void {
    const socket = this.#socket;
    const fill = (): void => {
      while (!socket.destroyed) {
        if (this.mayEnd && this.sentBytes >= LEAST_BYTES) {
          socket.end();
          return;
        }
        this.sentBytes += PIECE_BYTES;
        if (!socket.write(text(PIECE_BYTES))) {
          socket.once('drain', fill);
          return;
        }
      }
    };
    fill();
  }

  #receive(text: (length: number) => Buffer): Promise<Outcome> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const timer = startDeadline(() => reject(new Error(`nothing came after ${this.receivedBytes} bytes`)));
      const wake = (): void => {
        for (const waiting of this.#waiting) waiting();
        this.#waiting.clear();
      };
      const finish = (how: string): void => {
        clearTimeout(timer);
        resolve({ sentBytes: this.sentBytes, receivedBytes: this.receivedBytes, how });
        wake();
      };
      socket.on('data', (bytes) => {
        timer.refresh();
        if (!bytes.equals(text(bytes.length))) {
          reject(new Error(`wrong bytes after ${this.receivedBytes}`));
          socket.destroy();
        }
        this.receivedBytes += bytes.length;
        wake();
      });
      socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
      socket.on('close', () => finish(socket.readableEnded ? 'clean end' : 'closed'));
    });
  }
}

/** A program and its target, which send to each other until `finish`, and at least 50 MB each. */
export class Exchange {
  /** host:port */
  readonly target: string;
  readonly #seed: number;
  readonly #targetEnd: Promise<End>;
  #program: End | undefined;

  private constructor(port: number, seed: number, targetEnd: Promise<End>) {
    this.target = `127.0.0.1:${port}`;
    this.#seed = seed;
    this.#targetEnd = targetEnd;
  }

  /** Starts the target. */
  static async start(seed: number): Promise<Exchange> {
    let connected: (end: End) => void = () => undefined;
    const targetEnd = new Promise<End>((resolve) => {
      connected = resolve;
    });
    const { port } = await startTarget((socket) => connected(new End(socket, 2 * seed, 2 * seed + 1)));
    return new Exchange(port, seed, targetEnd);
  }

  /** Connects the program to a port that leads to the target. */
  async begin(port: number): Promise<void> {
    this.#program = new End(await connect(port), 2 * this.#seed + 1, 2 * this.#seed);
    await this.#targetEnd;
  }

  /** Resolves when so many more bytes have arrived at both ends.
   *  @throws if the connection has ended */
  async carries(bytes: number): Promise<void> {
    await Promise.all((await this.#ends()).map((end) => end.receivesMore(bytes)));
  }

  /** Lets both ends end when they have sent enough. @returns the outcome for the program and for the target */
  async finish(): Promise<readonly [Outcome, Outcome]> {
    const [program, target] = await this.#ends();
    program.mayEnd = target.mayEnd = true;
    return this.outcomes();
  }

  /** How the connection was cut or ended, for the program and for the target.
   *  @throws if either received something else than was sent, or waits for more in vain */
  async outcomes(): Promise<readonly [Outcome, Outcome]> {
    const [program, target] = await this.#ends();
    return [await program.outcome, await target.outcome];
  }

  async #ends(): Promise<readonly [End, End]> {
    if (this.#program === undefined) throw new Error('begin first');
    return [this.#program, await this.#targetEnd];
  }
}
