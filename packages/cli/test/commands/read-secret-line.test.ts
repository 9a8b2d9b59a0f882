import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { readSecretLine, type SecretInput } from '../../src/commands/read-secret-line.js';

const prompts = vi.hoisted(() => [] as string[]);
vi.mock('../../src/stderr.js', async (original) => ({
  ...(await original<object>()),
  showPrompt: (text: string) => void prompts.push(text),
}));
beforeEach(() => {
  prompts.length = 0;
});

/** A terminal at which these keys are pressed, and its changes of mode. */
function terminal(keys: string): SecretInput & { readonly modes: readonly boolean[] } {
  const modes: boolean[] = [];
  const stream = new PassThrough();
  stream.write(keys);
  return Object.assign(stream, { isTTY: true, modes, setRawMode: (isRaw: boolean) => modes.push(isRaw) });
}

function pipe(...chunks: readonly (string | Uint8Array)[]): SecretInput {
  const stream = new PassThrough();
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  return stream;
}

describe('a secret on a terminal', () => {
  it.each([
    ['link\r', 'link'],
    ['link\nmore', 'link'],
    ['limk\u007f\u007fnk\r', 'link'],
    ['\u007flink\u0004', 'link'],
  ])('is read up to the end of the line, and not shown: %j', async (keys, text) => {
    const input = terminal(keys);
    expect(await readSecretLine(10, input)).toBe(text);
    expect(input.modes).toEqual([true, false]);
    expect(prompts).toEqual(['link (it is not shown): ', '\n']);
  });

  it.each([
    ['li\u0003', 'cancelled'],
    ['\r', 'stdin is empty'],
    ['a'.repeat(11), 'stdin has more than a link'],
  ])('can be given up, and leaves the terminal as it was: %j', async (keys, message) => {
    const input = terminal(keys);
    await expect(readSecretLine(10, input)).rejects.toThrow(message);
    expect(input.modes).toEqual([true, false]);
    expect(prompts.at(-1)).toBe('\n');
  });
});

describe('a secret in a pipe', () => {
  it('is everything, in UTF-8 or UTF-16', async () => {
    expect(await readSecretLine(10, pipe('li', 'nk\n'))).toBe('link\n');
    expect(prompts).toEqual([]);
    expect(await readSecretLine(10, pipe(Buffer.from('\ufefflink', 'utf16le')))).toMatch(/^\ufeff?link$/);
  });

  it('is refused if it is empty or too long', async () => {
    await expect(readSecretLine(10, pipe(' \n'))).rejects.toThrow('stdin is empty');
    expect(await readSecretLine(10, pipe('a'.repeat(22)))).toHaveLength(22);
    await expect(readSecretLine(10, pipe('a'.repeat(23)))).rejects.toThrow('stdin has more than a link');
  });
});
