// Measures what a long transfer does to a client and a relay: whether their heaps grow, and how late their event loops are.
//
//   node scripts/measure-bulk.mjs [--seconds 60] [--upload]
//
// One client downloads through a relay over loopback. Every ten seconds everything that can go is collected in both: what
// is left is the heap, and buffers beside it. Buffers hold what is under way at that moment, so they come and go; a heap
// that stands still after the first ten seconds is one that nothing leaks into. 'Late' is by how much a timer of a
// millisecond comes too late, after the first ten seconds. Needs a machine with nothing else to do. Exit code: 0 printed,
// 2 not built or wrong arguments.

import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TunnelPrograms } from './measuring/tunnel-programs.mjs';

const BUNDLE = fileURLToPath(new URL('../packages/cli/bundle/main-relay.cjs', import.meta.url));
const BLOCK = Buffer.alloc(256 * 1024);
/** Between two readings; the first of them ends the warm-up. */
const READING_SECONDS = 10;
const MEBIBYTE = 1024 * 1024;

/** On SIGUSR2 a process says how late its event loop was since the first time, and what it holds. */
const PROBE = `
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
let warm = false;
process.on('SIGUSR2', () => {
  const late = (percentile) => Math.max(0, delay.percentile(percentile) / 1e6 - RESOLUTION_MS);
  const [p50, p99, most] = [late(50), late(99), late(100)];
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  for (let i = 0; i < 5; i++) collect();
  const { heapUsed, external } = process.memoryUsage();
  console.error(JSON.stringify({ event: 'probe', heapUsed, external, p50, p99, most }));
  if (!warm) delay.reset();
  warm = true;
});`;

if (!existsSync(BUNDLE)) fail('the program is not built: run npm run build first');
const { seconds, upload } = readArguments();
const directory = mkdtempSync(path.join(tmpdir(), 'underpass-bulk-'));
const programs = new TunnelPrograms(directory);
/** The answers of each process so far, by its name. */
const answered = { client: [], relay: [] };
try {
  await main();
} finally {
  programs.killAll();
  rmSync(directory, { recursive: true });
}

function readArguments() {
  const values = parsedOptions({
    seconds: { type: 'string', default: '60' },
    upload: { type: 'boolean', default: false },
  });
  const seconds = Number(values.seconds);
  if (!(seconds >= 2 * READING_SECONDS)) fail(`seconds is a number, at least ${2 * READING_SECONDS}`);
  return { seconds, upload: values.upload };
}

function parsedOptions(options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return fail(error.message);
  }
}

async function main() {
  const counted = { bytes: 0 };
  const target = createServer((socket) => carry(socket, upload ? 'read' : 'write', counted));
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const tunnel = await startTunnel(target.address().port);
  const socket = connect({ port: tunnel.port, host: '127.0.0.1' });
  carry(socket, upload ? 'write' : 'read', counted);

  const readings = [];
  let [bytes, from] = [0, 0];
  for (let at = READING_SECONDS; at <= seconds; at += READING_SECONDS) {
    await pause(READING_SECONDS * 1000);
    readings.push(await probeAll(tunnel.processes));
    if (readings.length === 1) [bytes, from] = [counted.bytes, performance.now()];
  }
  const rate = ((counted.bytes - bytes) * 1000) / (performance.now() - from);
  socket.destroy();
  target.close();

  process.stdout.write(`${(rate / 1e6).toFixed(0)} MB/s ${upload ? 'up' : 'down'}\n`);
  for (const name of Object.keys(tunnel.processes)) {
    const ofProcess = readings.map((reading) => reading[name]);
    const [heap, buffers] = ['heapUsed', 'external'].map((kind) => mebibytes(ofProcess, kind));
    const { p50, p99, most } = ofProcess.at(-1);
    process.stdout.write(`${name}, every ${READING_SECONDS} s: heap ${heap} MiB; buffers ${buffers} MiB\n`);
    process.stdout.write(
      `${name}: late p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, at most ${most.toFixed(1)} ms\n`,
    );
  }
}

function mebibytes(readings, kind) {
  return readings.map((reading) => (reading[kind] / MEBIBYTE).toFixed(1)).join(' ');
}

async function startTunnel(targetPort) {
  const [client, relay] = [programs.newKey('client'), programs.newKey('relay')];
  const config = path.join(directory, 'relay.toml');
  writeFileSync(
    config,
    `listen = "127.0.0.1:0"
private_key_file = "relay.key"

[[peer]]
name = "laptop"
public_key = "${client.publicKey}"
allow = ["127.0.0.1:${targetPort}"]
`,
  );
  const withProbe = [`--import=data:text/javascript,${encodeURIComponent(PROBE)}`];
  const relayProcess = programs.start(['relay', '--config', config], withProbe);
  const { port } = await relayProcess.event('listening');
  const clientProcess = programs.start(
    [
      ...['client', '--relay', `127.0.0.1:${port}`, '--relay-key', relay.publicKey, '--key', client.file],
      ...['-L', `127.0.0.1:0:127.0.0.1:${targetPort}`],
    ],
    withProbe,
  );
  const forward = await clientProcess.event('listening');
  await clientProcess.event('connected');
  return { port: forward.addresses[0].port, processes: { client: clientProcess, relay: relayProcess } };
}

/** @returns what each process says, by its name */
async function probeAll(processes) {
  const answers = {};
  for (const [name, { child, event }] of Object.entries(processes)) {
    child.kill('SIGUSR2');
    answers[name] = await event('probe', (answer) => !answered[name].includes(answer));
    answered[name].push(answers[name]);
  }
  return answers;
}

/** One end of the transfer. @param counted  how many bytes were read */
function carry(socket, does, counted) {
  socket.on('error', () => {});
  if (does === 'read') {
    socket.on('data', (chunk) => {
      counted.bytes += chunk.length;
    });
    return;
  }
  const fill = () => {
    while (!socket.destroyed && socket.write(BLOCK));
  };
  socket.on('drain', fill);
  fill();
}

function fail(message) {
  process.stderr.write(`measure-bulk: ${message}\n`);
  process.exit(2);
}
