/** The recordings of a simulated run. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../e2e/temporary-directory.js';
import { fieldsByTshark, WITH_DISSECTOR } from '../e2e/tshark.js';

const SIMULATE = fileURLToPath(new URL('../../scripts/simulate.mjs', import.meta.url));
/** A small run in which the network loses datagrams. */
const SEED = '7';

const simulate = (...options: readonly string[]): string =>
  execFileSync(process.execPath, [SIMULATE, '--seed', SEED, ...options], { encoding: 'utf8' });
const digest = (output: string): string | undefined => /^digest (\w+)$/m.exec(output)?.[1];
const statistic = (output: string, name: string): number =>
  Number(new RegExp(`"${name}": (\\d+)`).exec(output)?.[1]);

it('writes a capture of a seed that opens in tshark, without changing the run', (context) => {
  const file = path.join(temporaryDirectory(), 'run.pcapng');
  const output = simulate('--capture', file);
  expect(digest(output)).toBe(digest(simulate('--trace', '--portable')));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const fields = ['wg.type', 'wg.static', 'wg.handshake_ok', 'wg.decryption_error', 'frame.comment'];
  const rows = fieldsByTshark(file, 'udp', [...fields, '_ws.col.Info'], WITH_DISSECTOR);
  if (rows === undefined) return context.skip('tshark is not installed');
  expect(rows).toHaveLength(statistic(output, 'datagramsSent'));
  expect(rows.filter((row) => row[3] !== '')).toEqual([]);
  for (const [type, staticKey] of rows) if (type === '1') expect(staticKey).not.toBe('');
  expect(rows.some(([type, , ok]) => type === '2' && ok !== '')).toBe(true);
  const lost = rows.filter((row) => row[4]?.startsWith('lost on the way'));
  expect(lost).toHaveLength(statistic(output, 'lost'));
  expect(rows.some((row) => row.at(-1)?.includes('STREAM'))).toBe(true);
});

it('writes the events of one process as qlog', () => {
  const file = path.join(temporaryDirectory(), 'run.qlog');
  const output = simulate('--qlog', file, '--at', 'client');
  expect(digest(output)).toBe(digest(simulate('--trace')));
  const [header, ...events] = readFileSync(file, 'utf8')
    .split('\u001e')
    .slice(1)
    .map((record) => JSON.parse(record));
  expect(header.trace.vantage_point.type).toBe('client');
  const names = new Set(events.map(({ name }) => name));
  for (const name of ['packet_sent', 'packet_received']) expect(names).toContain(`transport:${name}`);
  expect(names).toContain('recovery:metrics_updated');
  const frames = events.flatMap(({ data }) => data.frames ?? []);
  expect(frames.map(({ frame_type }) => frame_type)).toContain('stream');
});

it('refuses to record several seeds, or a process that the seed does not have', () => {
  const outcome = (...options: readonly string[]): string => {
    try {
      return execFileSync(process.execPath, [SIMULATE, ...options], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      return String((error as { stderr?: unknown }).stderr);
    }
  };
  expect(outcome('--seeds', '2', '--capture', 'x')).toContain('--capture writes one seed: give --seed N');
  expect(outcome('--seed', SEED, '--qlog', 'x', '--at', 'server')).toContain(
    "--at 'server': this seed has relay, client",
  );
});
