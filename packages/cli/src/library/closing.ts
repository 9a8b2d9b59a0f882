/** The end of a tunnel or a relay of a program. */
import { UnderpassError } from '@underpass/runtime';

/** Owns whether something is closed: it closes once, whoever asks first and however often, and is of no use as soon as
 *  closing has begun. */
export class Closing {
  readonly #what: string;
  readonly #close: () => Promise<void>;
  #done: Promise<void> | undefined;
  #forgetSignal: () => void = () => {};

  /** @param what  for messages: `the tunnel`
   *  @param close  called once. Never rejects */
  constructor(what: string, close: () => Promise<void>) {
    this.#what = what;
    this.#close = close;
  }

  get hasBegun(): boolean {
    return this.#done !== undefined;
  }

  /** Resolves when it is closed. */
  close(): Promise<void> {
    this.#done ??= this.#run();
    return this.#done;
  }

  /** Closes when the signal aborts. Call it once. */
  closeWith(signal: AbortSignal): void {
    const onAbort = (): void => void this.close();
    this.#forgetSignal = () => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  }

  /** @throws UnderpassError if closing has begun */
  refuseClosed(): void {
    if (this.hasBegun) throw new UnderpassError('closed', `${this.#what} is closed`, '');
  }

  async #run(): Promise<void> {
    await this.#close();
    this.#forgetSignal(); // it may live for as long as the program
  }
}
