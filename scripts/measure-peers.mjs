// Measures what peers cost a relay that are configured and idle: a relay with so many of them, one client, loopback.
//
//   node scripts/measure-peers.mjs [--peers 0,1000,5000] [--runs 3] [--seconds 2]
//
// The numbers of peers take turns, run after run, and the first is what the others are compared with. 'KB a peer' is
// memory of the process, once as resident, with what V8 sets aside and has not collected yet, and once as held, when
// everything that can go has gone. Below the table is the memory that an endpoint holds for one peer: one that was never
// heard, one that has just connected, and one that has transferred a megabyte each way and was idle after that. Needs a
// machine with nothing else to do. Exit code: 0 printed, 2 not built or wrong arguments.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median, TunnelPrograms } from './measuring/tunnel-programs.mjs';

const BUILT = fileURLToPath(new URL('../packages/cli/dist/main.js', import.meta.url));
const MEBIBYTE = 1024 * 1024;
const ROUND_TRIPS = 400;
const REQUEST = Buffer.alloc(64, 'r');
/** What a connection says first: what its other end is to do. */
const ECHO = 'e';
const FILL = 'f';
/** Measures the memory of an endpoint, in a process of its own. */
const PEER_MEMORY = fileURLToPath(new URL('measuring/peer-memory.mjs', import.meta.url));

/** Runs in a relay of its own, because it occupies memory. On SIGUSR2 it logs what the process holds. */
const MEMORY_PROBE = `
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
process.on('SIGUSR2', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  for (let i = 0; i < 5; i++) collect();
  const { heapUsed, external } = process.memoryUsage();
  console.error(JSON.stringify({ event: 'memory', heldBytes: heapUsed + external }));
})`;

if (!existsSync(BUILT)) fail('the program is not built: run npm run setup first');
const { peers: counts, runs, seconds } = readArguments();
const directory = mkdtempSync(path.join(tmpdir(), 'underpass-peers-'));
const programs = new TunnelPrograms(directory);
try {
  await main();
} finally {
  programs.killAll();
  rmSync(directory, { recursive: true });
}

async function main() {
  const target = await startTarget();
  const results = new Map(counts.map((count) => [count, []]));
  for (let run = 0; run < runs; run++) {
    // Every other run in reverse, so that none always comes first.
    for (const count of run % 2 === 0 ? counts : counts.toReversed()) {
      results.get(count).push(await measure(count, target));
    }
  }
  printTable(results);
  execFileSync(process.execPath, ['--expose-gc', PEER_MEMORY], { stdio: 'inherit' });
  target.server.close();
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: '0,1000,5000' },
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '2' },
    },
  });
  const peers = values.peers.split(',').map(Number);
  const [runs, seconds] = [Number(values.runs), Number(values.seconds)];
  if (![...peers, runs, seconds].every((number) => number >= 0)) fail('peers, runs and seconds are numbers');
  return { peers, runs, seconds };
}

// ---- one run ----------------------------------------------------------------------------------------------------

async function measure(count, target) {
  const client = programs.newKey('client');
  const relayKey = programs.newKey('relay');
  const config = path.join(directory, 'relay.toml');
  writeFileSync(config, relayConfig(count, client.publicKey, target.port));
  /** @returns a relay and its client, which has connected */
  const start = async (nodeArguments) => {
    const startedAt = performance.now();
    const relay = programs.start(['relay', '--config', config, '--listen', '127.0.0.1:0'], nodeArguments);
    const { port } = await relay.event('listening');
    const startMs = performance.now() - startedAt;
    const tunnel = programs.start([
      ...['client', '--relay', `127.0.0.1:${port}`, '--relay-key', relayKey.publicKey, '--key', client.file],
      ...['-L', `127.0.0.1:0:127.0.0.1:${target.port}`],
    ]);
    const forward = await tunnel.event('listening');
    await tunnel.event('connected');
    const stop = () => Promise.all([tunnel.stop(), relay.stop()]);
    return { relay, startMs, localPort: forward.addresses[0].port, stop };
  };

  const users = await start([]);
  const idleBytes = residentBytes(users.relay.child.pid);
  const { startMs, localPort } = users;
  const roundTripMs = await measureRoundTrip(localPort);
  const bytesPerSecond = await measureBulk(localPort);
  await users.stop();

  const probed = await start([`--import=data:text/javascript,${encodeURIComponent(MEMORY_PROBE)}`]);
  probed.relay.child.kill('SIGUSR2');
  const { heldBytes } = await probed.relay.event('memory');
  await probed.stop();
  return { startMs, idleBytes, heldBytes, roundTripMs, bytesPerSecond };
}

function relayConfig(count, clientKey, targetPort) {
  const peer = (name, key) =>
    `[[peer]]\nname = "${name}"\npublic_key = "${key}"\nallow = ["127.0.0.1:${targetPort}"]\n`;
  const idle = Array.from({ length: count }, (_, i) => peer(`idle-${i}`, randomBytes(32).toString('base64')));
  return [
    'listen = "127.0.0.1:0"\nprivate_key_file = "relay.key"\n',
    ...idle,
    peer('laptop', clientKey),
  ].join('\n');
}

/** @returns the median time from a request of 64 bytes to its echo */
async function measureRoundTrip(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.write(ECHO);
  const times = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const sentAt = performance.now();
    socket.write(REQUEST);
    for (let missing = REQUEST.length; missing > 0; ) missing -= (await once(socket, 'data'))[0].length;
    times.push(performance.now() - sentAt);
  }
  socket.destroy();
  return median(times);
}

/** A download. @returns bytes per second, once it is at speed */
async function measureBulk(port) {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write(FILL);
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  await pause(500);
  const [before, from] = [bytes, performance.now()];
  await pause(seconds * 1000);
  const rate = ((bytes - before) * 1000) / (performance.now() - from);
  socket.destroy();
  return rate;
}

/** What the forward leads to. */
async function startTarget() {
  const block = Buffer.alloc(256 * 1024);
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', (first) => {
      if (first[0] === ECHO.charCodeAt(0)) {
        if (first.length > 1) socket.write(first.subarray(1));
        socket.on('data', (chunk) => socket.write(chunk));
        return;
      }
      const fill = () => {
        while (!socket.destroyed && socket.write(block));
      };
      socket.on('drain', fill);
      fill();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: server.address().port };
}

function residentBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return 1024 * Number(kilobytes);
}

// ---- output -----------------------------------------------------------------------------------------------------

function printTable(results) {
  const summary = new Map();
  for (const [count, all] of results) {
    const of = (name) => median(all.map((result) => result[name]));
    summary.set(count, {
      startMs: of('startMs'),
      idleBytes: of('idleBytes'),
      heldBytes: of('heldBytes'),
      roundTripMs: of('roundTripMs'),
      bytesPerSecond: of('bytesPerSecond'),
    });
  }
  const base = summary.get(counts[0]);
  const memory = ['resident', 'KB a peer', 'held MiB', 'KB a peer'];
  const lines = [['peers', 'MB/s', 'ratio', 'p50 ms', 'ratio', 'start ms', 'ratio', ...memory]];
  for (const [count, row] of summary) {
    const more = count - counts[0];
    const mebibytes = (bytes) => (bytes / MEBIBYTE).toFixed(1);
    const each = (name) => (more > 0 ? ((row[name] - base[name]) / 1024 / more).toFixed(1) : '');
    lines.push([
      String(count),
      (row.bytesPerSecond / 1e6).toFixed(1),
      (row.bytesPerSecond / base.bytesPerSecond).toFixed(2),
      row.roundTripMs.toFixed(2),
      (row.roundTripMs / base.roundTripMs).toFixed(2),
      row.startMs.toFixed(0),
      (row.startMs / base.startMs).toFixed(2),
      ...[mebibytes(row.idleBytes), each('idleBytes'), mebibytes(row.heldBytes), each('heldBytes')],
    ]);
  }
  for (const line of lines) process.stdout.write(`${line.map((cell) => cell.padStart(12)).join('')}\n`);
}

function pause(milliseconds) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

function fail(message) {
  process.stderr.write(`measure-peers: ${message}\n`);
  process.exit(2);
}
