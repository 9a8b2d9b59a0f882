/** `underpass demo`, as a newcomer sees it. */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runUnderpass, startUnderpass } from './running-program.js';
import { temporaryDirectory } from './temporary-directory.js';

describe('underpass demo', () => {
  it('shows a download with equal hashes, exits with 0 and leaves nothing behind', async () => {
    const directory = temporaryDirectory();
    const { code, stdout, lines } = await runUnderpass(['demo'], { environment: { TMPDIR: directory } });
    expect([code, lines]).toEqual([0, []]);
    const hashes = stdout.match(/10,485,760 bytes, SHA-256 [0-9a-f]{64}/g);
    expect(hashes).toHaveLength(2);
    expect(new Set(hashes).size).toBe(1);
    const keys = stdout.match(/(?<=^ *\d +(?:relay|client) .*public key )\S+/gm);
    expect([keys?.length, new Set(keys).size]).toEqual([2, 2]);
    expect(stdout).toMatch(/handshake +done, round trip [\d.]+ ms/);
    expect(stdout).toMatch(/overhead +\d+\.\d % /);
    expect(stdout).toContain('Every byte arrived as it was sent.');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('exits with 1 and one line when stopped halfway, and leaves nothing behind', async () => {
    const directory = temporaryDirectory();
    const demo = startUnderpass(['demo'], { TMPDIR: directory });
    const seen = new Promise((resolve) => demo.child.stdout?.once('data', resolve));
    await seen;
    demo.child.kill('SIGTERM');
    expect(await demo.ended()).toEqual({ code: 1, signal: null });
    expect(demo.plainLines).toEqual(['underpass: the demo was stopped by SIGTERM']);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('says why it cannot start', async () => {
    const { code, lines } = await runUnderpass(['demo'], { environment: { TMPDIR: '/nowhere' } });
    expect([code, lines]).toEqual([
      1,
      [
        'underpass: cannot create a temporary directory in /nowhere: no such file or directory: set TMPDIR to a writable directory',
      ],
    ]);
  });
});
