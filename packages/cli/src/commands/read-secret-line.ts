/** Reads a secret from stdin: the first line from a terminal, without showing it; otherwise everything. */
import { StringDecoder } from 'node:string_decoder';
import { CliError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { showPrompt } from '../stderr.js';
import { textOf } from '../text-encoding.js';

/** Standard input. Tests replace it. */
export interface SecretInput extends AsyncIterable<Uint8Array> {
  readonly isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
}

/** @throws CliError when there is nothing, or more than `maxCharacters` */
export async function readSecretLine(
  maxCharacters: number,
  input: SecretInput = process.stdin,
): Promise<string> {
  const text =
    input.isTTY === true ? await fromTerminal(maxCharacters, input) : await fromPipe(maxCharacters, input);
  if (text.trim() === '')
    throw new CliError(ExitCode.usage, 'stdin is empty', 'expected the link of an invite');
  return text;
}

async function fromPipe(maxCharacters: number, input: SecretInput): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of input) {
    chunks.push(chunk);
    length += chunk.length;
    // UTF-16 takes two bytes a character.
    if (length > 2 * maxCharacters + 2) throw tooLong();
  }
  return textOf(Buffer.concat(chunks));
}

const ENTER = /[\r\n]/;
const CONTROL_C = '\u0003';
const CONTROL_D = '\u0004';
const BACKSPACE = /[\b\u007f]/;

/** In raw mode the terminal shows nothing of what is typed or pasted. */
async function fromTerminal(maxCharacters: number, input: SecretInput): Promise<string> {
  showPrompt('link (it is not shown): ');
  input.setRawMode?.(true);
  const decoder = new StringDecoder('utf8');
  let text = '';
  try {
    for await (const chunk of input) {
      for (const character of decoder.write(Buffer.from(chunk))) {
        if (character === CONTROL_C) throw new CliError(ExitCode.failure, 'cancelled');
        if (ENTER.test(character) || character === CONTROL_D) return text;
        text = BACKSPACE.test(character) ? text.slice(0, -1) : text + character;
        if (text.length > maxCharacters) throw tooLong();
      }
    }
    return text;
  } finally {
    input.setRawMode?.(false);
    showPrompt('\n');
  }
}

function tooLong(): CliError {
  return new CliError(ExitCode.usage, 'stdin has more than a link', 'expected the link of one invite');
}
