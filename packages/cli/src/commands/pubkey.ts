/** `underpass pubkey`: prints the public half of the private key on stdin, as `wg pubkey` does. */
import { Command } from 'commander';
import { CliError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { KEY_FILE_LIMIT_BYTES } from '../key-file.js';
import { decodeKeyBytes, encodeKey, KEY_TEXT_BYTES } from '../key-text.js';
import { publicKeyOf } from '../public-key.js';
import { printLine, requireOutput } from '../terminal.js';
import { asciiOf } from '../text-encoding.js';

export function pubkeyCommand(): Command {
  return new Command('pubkey')
    .description('Read a private key from stdin and print its public key, as wg pubkey does.')
    .addHelpText('after', '\nExample:\n  underpass pubkey < client.key')
    .action(async () => {
      const privateKey = privateKeyIn(await readKeyText(process.stdin));
      printLine(encodeKey(publicKeyOf(privateKey)));
      privateKey.fill(0);
      await requireOutput();
    });
}

/** Returns the key at the start of `text`, which may only be followed by blanks, as `wg pubkey` requires. Wipes `text`.
 *  @throws CliError */
export function privateKeyIn(text: Uint8Array): Uint8Array {
  const isEmpty = text.length === 0;
  const ascii = asciiOf(text);
  const key = decodeKeyBytes(ascii.subarray(0, KEY_TEXT_BYTES));
  const hasMore = ascii.subarray(KEY_TEXT_BYTES).some((byte) => !isBlankOrNul(byte));
  ascii.fill(0);
  if (key !== undefined && !hasMore) return key;
  const found = isEmpty
    ? 'stdin is empty'
    : key === undefined
      ? 'stdin is not a private key'
      : 'stdin has more than a key';
  throw new CliError(
    ExitCode.config,
    found,
    `expected ${KEY_TEXT_BYTES} characters of base64 and a line end, as underpass keygen prints them`,
  );
}

/** Reads all of `input`, and wipes what it read from.
 *  @throws CliError if it is longer than any text with one key */
export async function readKeyText(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const text = new Uint8Array(KEY_FILE_LIMIT_BYTES + 1);
  let length = 0;
  for await (const chunk of input) {
    const taken = chunk.subarray(0, text.length - length);
    text.set(taken, length);
    length += taken.length;
    chunk.fill(0);
    if (length === text.length) {
      text.fill(0);
      throw new CliError(ExitCode.config, 'stdin has more than a key', 'expected one private key');
    }
  }
  return text.subarray(0, length);
}

/** Matches what C's `isspace` matches, and NUL. */
function isBlankOrNul(byte: number): boolean {
  return byte === 0 || byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
