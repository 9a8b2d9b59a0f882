import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed } from '../../../test/e2e/installed.js';
import { type CLibrary, cLibrary } from '../src/c-library.js';
import { sendUnixDatagram } from '../src/unix-datagram.js';

const hasKoffi = cLibrary() !== undefined;
const python = installed('python3');
const bytes = new TextEncoder().encode('READY=1');

/** Receives one datagram and prints it. It prints `bound` first. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', chr(0), 1))
print('bound', flush=True)
print(s.recv(4096).decode(), flush=True)
`;

/** Sends `bytes` to a socket of another process, and returns what that process received. */
async function receivedAt(socket: string): Promise<string | undefined> {
  const child = spawn(python as string, ['-c', RECEIVER, socket]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('bound');
  expect(sendUnixDatagram(socket, bytes)).toBe(true);
  return (await lines.next()).value;
}

describe.skipIf(!hasKoffi)('a unix datagram, with koffi, which is optional', () => {
  it.skipIf(python === undefined)('reaches a socket by its path (needs python3)', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'underpass-unix-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    expect(await receivedAt(path.join(directory, 'notify'))).toBe('READY=1');
  });

  it.skipIf(python === undefined)('reaches a socket by its abstract name (needs python3)', async () => {
    expect(await receivedAt(`@underpass-test-${process.pid}`)).toBe('READY=1');
  });

  it('is not sent where nothing listens, or to a path that no socket can have', () => {
    for (const socket of ['/nonexistent/notify', '', '@', `/${'x'.repeat(107)}`, 'a\0b']) {
      expect(sendUnixDatagram(socket, bytes)).toBe(false);
    }
  });
});

describe('a unix datagram without koffi', () => {
  it.skipIf(hasKoffi)('is not sent', () => {
    expect(sendUnixDatagram('/run/notify', bytes)).toBe(false);
  });
});

describe('a unix datagram', () => {
  /** A C library that writes its calls down. @param sent  what `sendto` returns */
  function noting(sent = bytes.length, fd = 7) {
    const calls: unknown[] = [];
    const library = {
      socket: (...parameters: number[]) => {
        calls.push(['socket', ...parameters]);
        return fd;
      },
      sendto: (
        on: number,
        what: Uint8Array,
        length: number,
        flags: number,
        address: Uint8Array,
        size: number,
      ) => {
        calls.push(['send', on, String(Buffer.from(what)), length, flags]);
        calls.push([Buffer.from(address).toString('latin1'), size]);
        return sent;
      },
      close: (which: number) => {
        calls.push(['close', which]);
        return 0;
      },
    };
    return { calls, library: library as unknown as CLibrary };
  }

  // Linux's numbers: AF_UNIX 1, SOCK_DGRAM 2 with SOCK_CLOEXEC 0o2000000; MSG_DONTWAIT 0x40, MSG_NOSIGNAL 0x4000.
  const opening = ['socket', 1, 0o2000002, 0];
  const sending = ['send', 7, 'READY=1', 7, 0x4040];

  it.each([
    ['a path, which ends with NUL', '/run/notify', '\u0001\0/run/notify\0'],
    ['an abstract name, which begins with NUL', '@notify', '\u0001\0\0notify'],
    ['the longest path', `/${'x'.repeat(106)}`, `\u0001\0/${'x'.repeat(106)}\0`],
    ['the longest abstract name', `@${'x'.repeat(107)}`, `\u0001\0\0${'x'.repeat(107)}`],
  ])('is sent without waiting, on a socket of its own that is closed: %s', (_what, socket, address) => {
    const { calls, library } = noting();
    expect(sendUnixDatagram(socket, bytes, library)).toBe(true);
    expect(calls).toEqual([opening, sending, [address, address.length], ['close', 7]]);
  });

  it.each([
    ['the receiver’s queue is full', -1],
    ['not all of it is taken', 6],
  ])('is reported as not sent if %s, and leaves no descriptor open', (_what, sent) => {
    const { calls, library } = noting(sent);
    expect(sendUnixDatagram('/run/notify', bytes, library)).toBe(false);
    expect(calls.at(-1)).toEqual(['close', 7]);
  });

  it('is not sent if no descriptor is left, or to what no address can hold', () => {
    const { calls, library } = noting(bytes.length, -1);
    expect(sendUnixDatagram('/run/notify', bytes, library)).toBe(false);
    expect(calls).toEqual([opening]);
    const other = noting();
    for (const socket of ['', '@', `/${'x'.repeat(107)}`, `@${'x'.repeat(108)}`, 'a\0b', '@a\0b']) {
      expect(sendUnixDatagram(socket, bytes, other.library)).toBe(false);
    }
    expect(other.calls).toEqual([]);
  });
});
