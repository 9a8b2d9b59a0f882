// Compiles and runs the emulator of a link.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd } from '../at-end.mjs';
import { missingPrograms } from '../installed.mjs';
import { Program } from '../programs.mjs';

const SOURCE = fileURLToPath(new URL('./emulator.c', import.meta.url));
let binary;

/** @returns why links cannot be emulated here, or undefined */
export function missingForLinks() {
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  return missingPrograms(['cc'], ['gcc', 'libc6-dev']);
}

/** Joins two namespaces by a link.
 *  @returns the program, which ends when it is stopped or the benchmark ends */
export async function startEmulator(namespaces, interfaceName, link) {
  binary ??= compile();
  const { rateMbit, queueMs, delayMs, lossPercent = 0, burstEnterPercent = 0, burstLeavePercent = 0 } = link;
  const numbers = [rateMbit, queueMs, delayMs, lossPercent, burstEnterPercent, burstLeavePercent];
  const here = { command: (_side, program, parameters) => [program, parameters] };
  const program = new Program(here, 'both', binary, [...namespaces, interfaceName, ...numbers.map(String)], {
    stdin: 'pipe',
  });
  await program.line((line) => line === 'ready' || undefined);
  return program;
}

function compile() {
  const directory = mkdtempSync(path.join(tmpdir(), 'underpass-bench-link-'));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'emulator');
  execFileSync('cc', ['-O2', '-o', file, SOURCE], { stdio: ['ignore', 'pipe', 'pipe'] });
  return file;
}
