/** A socket whose port can be changed while the driver uses it. */
import type { DatagramListener, DatagramSocket } from './datagram-socket.js';
import { SocketWrapper } from './socket-wrapper.js';

/** Ignores what a replaced socket receives. */
const NOBODY: DatagramListener = { onDatagram: () => {}, onBatchFree: () => {} };

/** `renew` opens another socket and puts it in the place of the old one, which is closed. The driver notices nothing: it
 *  never keeps a batch from one turn to the next, and what the old socket had yet to send is as good as lost on the way.
 *  All sockets must be of one kind, because the first one has decided how large a packet may be and whether the path's
 *  size is searched for. */
export class RenewableSocket extends SocketWrapper {
  readonly #open: () => Promise<DatagramSocket>;
  #listener: DatagramListener = NOBODY;
  #isRenewing = false;
  #isClosed = false;
  /** Of the sockets that were replaced. */
  readonly #formerErrors: Record<string, number> = {};

  /** @param open  opens another socket, like the first one */
  constructor(first: DatagramSocket, open: () => Promise<DatagramSocket>) {
    super(first);
    this.#open = open;
  }

  /** Switches to another port, which the system chooses.
   *  @returns whether it has: not if that is under way already, or if the socket is closed
   *  @throws UnderpassError when no socket can be opened. The old one then stays */
  async renew(): Promise<boolean> {
    if (this.#isRenewing || this.#isClosed) return false;
    this.#isRenewing = true;
    try {
      const next = await this.#open();
      if (this.#isClosed) {
        await next.close();
        return false;
      }
      const old = this.socket;
      old.listen(NOBODY);
      this.socket = next;
      next.listen(this.#listener);
      // The driver may wait for a batch that the old socket has not sent.
      this.#listener.onBatchFree();
      await old.close();
      addCounts(this.#formerErrors, old.sendErrors);
      return true;
    } finally {
      this.#isRenewing = false;
    }
  }

  /** Of all sockets so far. */
  override get sendErrors(): Readonly<Record<string, number>> {
    const all = { ...this.#formerErrors };
    addCounts(all, super.sendErrors);
    return all;
  }

  override listen(listener: DatagramListener): void {
    this.#listener = listener;
    super.listen(listener);
  }

  override close(): Promise<void> {
    this.#isClosed = true;
    return super.close();
  }
}

function addCounts(to: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) to[name] = (to[name] ?? 0) + count;
}
