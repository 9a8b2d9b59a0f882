import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed } from '../../../test/e2e/installed.js';
import { cLibrary } from '../src/c-library.js';
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
