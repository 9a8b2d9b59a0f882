/** `keygen` and `pubkey` compared with the `wg` program, what their keys are for, and their error messages. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { installed, outputOf } from './installed.js';
import { PROGRAM, runUnderpass } from './running-program.js';
import { connect, readAll, startEcho } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { type KeyPair, setUpRelay, startClient, startRelay, writeRelayConfig } from './tunnel.js';

/** From a WireGuard key pair that was published with a packet capture. */
const PRIVATE_KEY = 'AKeZaHwBxjiKLFnkY2unvEdOTtg4AL+M9dQXfopFVFk=';
const PUBLIC_KEY = 'Igge9KzRytKNwrgkzDE/8hrLu6Ly0OqVdvOPWhA5KR4=';

/** Replaces a key in its file with one that the program prints. */
async function replaceKey({ file }: KeyPair): Promise<KeyPair> {
  const privateKey = (await runUnderpass(['keygen'])).stdout;
  writeFileSync(file, privateKey);
  return { file, publicKey: (await runUnderpass(['pubkey'], { stdin: privateKey })).stdout.trim() };
}

describe('underpass keygen', () => {
  it('prints one clamped key and a line end, a different key each time', async () => {
    const first = await runUnderpass(['keygen']);
    const second = await runUnderpass(['keygen']);
    expect(first).toMatchObject({ code: 0, lines: [] });
    expect(first.stdout).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
    expect(first.stdout).not.toBe(second.stdout);
    const key = Buffer.from(first.stdout, 'base64');
    expect([(key[0] ?? 0) & 7, (key[31] ?? 0) & 0xc0]).toEqual([0, 0x40]);
  });

  it('prints keys that wg accepts, and pubkey accepts keys that wg prints', async (context) => {
    const wg = installed('wg');
    if (wg === undefined) return context.skip('wg is not installed');
    for (let round = 0; round < 5; round++) {
      const ours = (await runUnderpass(['keygen'])).stdout;
      const theirs = outputOf(wg, ['genkey']);
      for (const key of [ours, theirs]) {
        const publicKey = (await runUnderpass(['pubkey'], { stdin: key })).stdout;
        expect(publicKey).toBe(outputOf(wg, ['pubkey'], key));
      }
    }
  });

  it.each([
    ['022', 1],
    ['077', 0],
  ])('with umask %s writes a file with %i warnings', (umask, warnings) => {
    const file = path.join(temporaryDirectory(), 'new.key');
    const script = `umask ${umask}; "$0" "$1" keygen 2>&1 >"$2"`;
    const stderr = execFileSync('sh', ['-c', script, process.execPath, PROGRAM, file], { encoding: 'utf8' });
    expect(stderr.split('\n').filter((line) => line.includes('open to other users'))).toHaveLength(warnings);
    expect(readFileSync(file, 'utf8')).toHaveLength(45);
  });

  it('prints keys for a tunnel', async () => {
    const echo = `127.0.0.1:${(await startEcho()).port}`;
    const empty = setUpRelay([]);
    const setup = {
      ...empty,
      relayKey: await replaceKey(empty.relayKey),
      clientKey: await replaceKey(empty.clientKey),
    };
    writeRelayConfig(setup, [echo]);
    const relay = await startRelay(setup);
    const client = await startClient(setup, relay.port, [`0:${echo}`]);
    const socket = await connect(client.ports[0] ?? 0);
    socket.end('hello');
    expect(String(await readAll(socket))).toBe('hello');
  });

  it('succeeds even if the reader has gone away', () => {
    const script = '{ "$0" "$1" keygen 2>&1 >&3 | cat >&2; } 3>&1 | true';
    const options = { encoding: 'utf8' } as const;
    expect(execFileSync('sh', ['-c', script, process.execPath, PROGRAM], options)).toBe('');
  });
});

describe('output that cannot be written', () => {
  it.each(['keygen', 'pubkey', '--version', '--help'])('makes underpass %s fail, in one line', (command) => {
    const script = '"$0" "$1" "$2" 2>&1 >/dev/full; echo "code $?"';
    const options = { input: PRIVATE_KEY, encoding: 'utf8' } as const;
    const output = execFileSync('sh', ['-c', script, process.execPath, PROGRAM, command], options);
    expect(output).toMatch(/^underpass: .*no space left.*\ncode 1\n$/);
  });
});

describe('underpass pubkey', () => {
  it.each([
    ['a line end', `${PRIVATE_KEY}\n`],
    ['no line end', PRIVATE_KEY],
    ['blanks after it', `${PRIVATE_KEY} \r\n\n`],
  ])('reads a key with %s', async (_what, stdin) => {
    expect(await runUnderpass(['pubkey'], { stdin })).toEqual({
      code: 0,
      stdout: `${PUBLIC_KEY}\n`,
      lines: [],
    });
  });

  const expected = 'expected 44 characters of base64 and a line end, as underpass keygen prints them';
  it.each([
    ['nothing', '', `underpass: stdin is empty: ${expected}`],
    ['a short key', 'AAAA\n', `underpass: stdin is not a private key: ${expected}`],
    ['blanks in front', ` ${PRIVATE_KEY}\n`, `underpass: stdin is not a private key: ${expected}`],
    ['two keys', `${PRIVATE_KEY}\n${PRIVATE_KEY}\n`, `underpass: stdin has more than a key: ${expected}`],
    ['a flood', 'A'.repeat(100_000), 'underpass: stdin has more than a key: expected one private key'],
  ])('reports %s in one line', async (_what, stdin, line) => {
    expect(await runUnderpass(['pubkey'], { stdin })).toEqual({ code: 3, stdout: '', lines: [line] });
  });

  it('refuses what wg refuses', async (context) => {
    const wg = installed('wg');
    if (wg === undefined) return context.skip('wg is not installed');
    const lastDigit = PRIVATE_KEY.length - 2;
    const loose = `${PRIVATE_KEY.slice(0, lastDigit)}l=`; // unused bits set
    for (const text of [loose, PRIVATE_KEY.slice(1), `${PRIVATE_KEY}x`, PRIVATE_KEY.replace('=', 'A')]) {
      expect(() => outputOf(wg, ['pubkey'], text)).toThrow();
      expect((await runUnderpass(['pubkey'], { stdin: text })).code).toBe(3);
    }
  });
});
