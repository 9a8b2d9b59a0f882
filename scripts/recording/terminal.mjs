/** A terminal whose every change is kept with its time. */
import { spawn } from 'node:child_process';
import xterm from '@xterm/headless';

const DEADLINE_MS = 30_000;
/** Changes closer together than this are one change in the recording. */
const FRAME_MS = 60;

/** One shell in a terminal of a fixed size. A terminal emulator turns what the shell prints into rows of styled text.
 *
 *  A _recording_ is `{ title, columns, rows, frames }`, where a frame is `{ atMs, rows }`, and a row is a list of
 *  `{ text, color, bold }`. */
export class RecordedTerminal {
  #options;
  #terminal;
  #child;
  #frames = [];
  #output = '';
  #mark = 0;
  #waiter;

  /** @param options  title, columns, rows; now: () => ms since the recording began; shell: a command line */
  constructor(options) {
    this.#options = options;
    const { columns: cols, rows, shell } = options;
    this.#terminal = new xterm.Terminal({ cols, rows, allowProposedApi: true });
    this.#child = spawn('script', ['-qfc', shell, '/dev/null'], {
      env: { ...process.env, SHELL: '/bin/sh' },
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text) => {
      this.#output += text;
      this.#terminal.write(text, () => this.#keepFrame());
      this.#waiter?.();
    });
  }

  /** Resolves when the shell waits for a command in an empty terminal. */
  async ready() {
    const { columns, rows, title } = this.#options;
    await this.until(new RegExp(`${title}\\$ `));
    this.#child.stdin.write(`stty cols ${columns} rows ${rows}; clear\n`);
    await this.until(new RegExp(`\\x1b\\[.*J.*${title}\\$ $`, 's'));
    this.#frames = [];
    this.#keepFrame();
  }

  /** Presses the return key for a new prompt, if something was printed behind the last one. */
  async prompt() {
    const isPrompt = new RegExp(`${this.#options.title}\\$ $`);
    if (isPrompt.test(this.#output)) return;
    this.#beginStep('\r');
    this.#child.stdin.write('\r');
    await this.until(isPrompt);
  }

  /** Types a command and the return key. */
  async type(command, intervalMs) {
    for (const key of `${command}\r`) {
      this.#beginStep(key);
      this.#child.stdin.write(key);
      await new Promise((resolve) => setTimeout(resolve, intervalMs));
    }
  }

  async paste(command) {
    this.#child.stdin.write(command);
    await new Promise((resolve) => setTimeout(resolve, 700));
    this.#beginStep('\r');
    this.#child.stdin.write('\r');
  }

  /** @returns the match of the pattern in what was printed since the return key was last pressed */
  async until(pattern) {
    const startMs = performance.now();
    for (;;) {
      const match = this.#output.slice(this.#mark).match(pattern);
      if (match) return match;
      const leftMs = DEADLINE_MS - (performance.now() - startMs);
      if (leftMs <= 0)
        throw new Error(`${this.#options.title} never showed ${pattern}:\n${this.#output.slice(this.#mark)}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiter = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  recording() {
    const { title, columns, rows } = this.#options;
    return { title, columns, rows, frames: this.#frames };
  }

  #beginStep(key) {
    if (key === '\r') this.#mark = this.#output.length;
  }

  #keepFrame() {
    const frame = { atMs: this.#options.now(), rows: this.#rows() };
    const last = this.#frames.at(-1);
    if (last !== undefined && frame.atMs - last.atMs < FRAME_MS) last.rows = frame.rows;
    else this.#frames.push(frame);
  }

  #rows() {
    const buffer = this.#terminal.buffer.active;
    const rows = [];
    for (let y = 0; y < this.#options.rows; y++) rows.push(styledRuns(buffer.getLine(buffer.viewportY + y)));
    return rows;
  }
}

/** Neighbouring cells of one style become one run of text. */
function styledRuns(line) {
  const runs = [];
  for (let x = 0; x < (line?.length ?? 0); x++) {
    const cell = line.getCell(x);
    const text = cell.getChars() || ' ';
    const color = cell.isFgPalette() ? cell.getFgColor() : undefined;
    const bold = cell.isBold() !== 0;
    const last = runs.at(-1);
    if (last !== undefined && last.color === color && last.bold === bold) last.text += text;
    else runs.push({ text, color, bold });
  }
  const end = runs.at(-1);
  if (end !== undefined) end.text = end.text.trimEnd();
  return runs.filter(({ text }) => text !== '');
}
