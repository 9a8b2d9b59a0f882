import type { CryptoSuite } from '@underpass/protocol';
import { DatagramOpener, type Description, type Dissection, describe, dissect } from '@underpass/trace';
import type { Datagram } from './history.js';
import { MAX_EXPLANATIONS } from './limits.js';
import type { Run } from './run.js';

export interface Explanation extends Description {
  /** As it travels. */
  readonly sealed: Dissection;
  /** With its sealed fields opened; undefined if it cannot be opened. */
  readonly opened: { readonly bytes: Uint8Array; readonly dissection: Dissection } | undefined;
}

/** Explains the datagrams of one run with the secrets of its key log, as Wireshark would with a capture.
 *
 *  The page asks for a datagram when it shows it. Handshakes are taken in the order in which they were sent, since the
 *  keys follow from them. Explanations are kept, as long as a datagram has the same bytes. */
export class Explainer {
  readonly #run: Run;
  readonly #opener: DatagramOpener;
  readonly #known = new Map<number, { readonly bytes: Uint8Array; readonly explanation: Explanation }>();
  #lines = 0;
  #datagrams = 0;

  /** How many explanations are kept. */
  get size(): number {
    return this.#known.size;
  }

  constructor(run: Run, suite: CryptoSuite = run.suite) {
    this.#run = run;
    this.#opener = new DatagramOpener(suite);
  }

  explain(datagram: Datagram): Explanation {
    const known = this.#known.get(datagram.id);
    if (known?.bytes === datagram.bytes) return known.explanation;
    this.#observe();
    const { bytes } = datagram;
    const open = this.#opener.open(bytes);
    const sealed = dissect(bytes);
    const opened = open === undefined ? undefined : { bytes: open, dissection: dissect(open, true) };
    const explanation = { ...describe(opened?.dissection ?? sealed), sealed, opened };
    this.#known.delete(datagram.id);
    this.#known.set(datagram.id, { bytes, explanation });
    if (this.#known.size > MAX_EXPLANATIONS) {
      for (const id of this.#known.keys()) {
        this.#known.delete(id);
        break;
      }
    }
    return explanation;
  }

  /** Takes the key log and the handshakes that are new. */
  #observe(): void {
    const { keyLog, history } = this.#run;
    for (; this.#lines < keyLog.length; this.#lines++) {
      this.#opener.handleKeyLogLine((keyLog[this.#lines] as { text: string }).text);
    }
    for (; this.#datagrams < history.datagrams.length; this.#datagrams++) {
      const { bytes } = history.datagrams[this.#datagrams] as Datagram;
      const isHandshake = bytes[0] === 1 || bytes[0] === 2;
      if (isHandshake) this.#opener.open(bytes);
    }
  }
}
