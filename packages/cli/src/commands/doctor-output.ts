/** Prints what `underpass doctor` finds, as it finds it. */
import { styleText } from 'node:util';
import type { StepResult } from '../doctor/step.js';
import { printLine, usesColor, withoutControlCharacters, writeOutput } from '../terminal.js';

const SIGNS: Readonly<Record<StepResult['status'], string>> = {
  ok: 'ok     ',
  warning: 'warning',
  failed: 'FAILED ',
};
const COLORS = { ok: 'green', warning: 'yellow', failed: 'red' } as const;
const STEP_COLUMNS = 10;
const CLEAR_LINE = '\r\u001b[K';

/** Text for a person, with what is under way on a terminal; or JSON, one line for each step and one for the outcome. */
export class DoctorOutput {
  readonly #isJson: boolean;
  readonly #isLive: boolean;
  readonly #hasColor: boolean;

  constructor(isJson: boolean, stream: { readonly isTTY?: boolean } = process.stdout) {
    this.#isJson = isJson;
    this.#isLive = !isJson && stream.isTTY === true && process.env.TERM !== 'dumb';
    this.#hasColor = !isJson && usesColor(stream);
  }

  /** Shows what is under way, until something is printed. */
  progress(text: string): void {
    if (this.#isLive) writeOutput(`${CLEAR_LINE}...     ${withoutControlCharacters(text)}`);
  }

  print(result: StepResult): void {
    this.#clear();
    if (this.#isJson) {
      printLine(JSON.stringify(result));
      return;
    }
    const { step, status, text, advice } = result;
    const [first = '', ...more] = text.split('\n').map(withoutControlCharacters);
    const sign = this.#hasColor
      ? styleText(COLORS[status], SIGNS[status], { validateStream: false })
      : SIGNS[status];
    printLine(`${sign} ${step.padEnd(STEP_COLUMNS)} ${first}`);
    const indent = ' '.repeat(SIGNS.ok.length + STEP_COLUMNS + 2);
    for (const line of more) printLine(`${indent}${line}`);
    if (advice !== undefined) printLine(`${indent}What to do: ${advice}`);
  }

  end(isOk: boolean): void {
    this.#clear();
    if (this.#isJson) printLine(JSON.stringify({ outcome: isOk ? 'ok' : 'failed' }));
  }

  /** Ends without an outcome, for example because the examined client has ended. */
  breakOff(): void {
    this.#clear();
  }

  #clear(): void {
    if (this.#isLive) writeOutput(CLEAR_LINE);
  }
}
