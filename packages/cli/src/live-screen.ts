/** A terminal that shows one view, which is replaced again and again, and reads single keys. */
import { writeOutput } from './terminal.js';

const ESCAPE = '\u001b';
const ENTER = `${ESCAPE}[?1049h${ESCAPE}[?25l`;
const LEAVE = `${ESCAPE}[?25h${ESCAPE}[?1049l`;
const TO_TOP = `${ESCAPE}[H`;
const CLEAR_LINE = `${ESCAPE}[K`;
const CLEAR_REST = `${ESCAPE}[J`;
const CTRL_C = '\u0003';

/** Uses the terminal's second screen, so that what was there before comes back afterwards. `close` must be called: it
 *  restores the screen and the keyboard. */
export class LiveScreen {
  readonly #onQuit: () => void;
  readonly #restore = (): void => this.close();
  #isOpen = true;

  /** @param onQuit  called when the user presses q or Ctrl-C */
  constructor(onQuit: () => void) {
    this.#onQuit = onQuit;
    writeOutput(ENTER);
    process.once('exit', this.#restore);
    if (!process.stdin.isTTY) return;
    process.stdin.setRawMode(true);
    process.stdin.setEncoding('utf8').on('data', this.#onKey).resume();
  }

  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = process.stdout;
    return { columns: columns || 80, rows: rows || 24 }; // a terminal without a window says 0
  }

  /** @param lines  no more than fit */
  show(lines: readonly string[]): void {
    if (this.#isOpen)
      writeOutput(`${TO_TOP}${lines.map((line) => line + CLEAR_LINE).join('\r\n')}${CLEAR_REST}`);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#restore);
    writeOutput(LEAVE);
    if (!process.stdin.isTTY) return;
    process.stdin.off('data', this.#onKey).pause();
    process.stdin.setRawMode(false);
  }

  readonly #onKey = (keys: string | Buffer): void => {
    if (/q/i.test(String(keys)) || String(keys).includes(CTRL_C)) this.#onQuit();
  };
}
