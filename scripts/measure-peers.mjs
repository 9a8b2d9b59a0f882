// Measures what peers cost a relay that are configured and idle: a relay with so many of them, one client, loopback.
//
//   node scripts/measure-peers.mjs [--peers 0,1000,5000] [--runs 3] [--seconds 2]
//
// The numbers of peers take turns, run after run, and the first is what the others are compared with. 'KB a peer' is
// memory of the process, once as resident, with what V8 sets aside and has not collected yet, and once as held, when
// everything that can go has gone. Below the table is the memory that an endpoint holds for one peer: one that was never
// heard, one that has just connected, and one that has transferred a megabyte each way and was idle after that. Needs a
// machine with nothing else to do. Exit code: 0 printed, 2 not built or wrong arguments.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PROGRAM = fileURLToPath(new URL('../packages/cli/bin/underpass.js', import.meta.url));
const BUILT = fileURLToPath(new URL('../packages/cli/dist/main.js', import.meta.url));
const MEBIBYTE = 1024 * 1024;
const ROUND_TRIPS = 400;
const REQUEST = Buffer.alloc(64, 'r');
/** What a connection says first: what its other end is to do. */
const ECHO = 'e';
const FILL = 'f';

const PROTOCOL = new URL('../packages/protocol/dist/index.js', import.meta.url);
const RUNTIME = new URL('../packages/runtime/dist/index.js', import.meta.url);
/** The argument under which this script measures memory, in a process of its own. */
const MEMORY = '--memory';
const MEASURED_PEERS = 1000;
const WARM_UP_PEERS = 200;

/** Runs in the relay. On SIGUSR2 it logs what the process holds. */
const MEMORY_PROBE = `process.on('SIGUSR2', () => {
  for (let i = 0; i < 5; i++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  console.error(JSON.stringify({ event: 'memory', heldBytes: heapUsed + external }));
})`;

if (!existsSync(BUILT)) fail('the program is not built: run npm run build first');
if (process.argv[2] === MEMORY) {
  await measureMemory();
  process.exit(0);
}
const { peers: counts, runs, seconds } = readArguments();
const directory = mkdtempSync(path.join(tmpdir(), 'underpass-peers-'));
const children = new Set();
try {
  await main();
} finally {
  for (const child of children) child.kill('SIGKILL');
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
  execFileSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), MEMORY], {
    stdio: 'inherit',
  });
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
  const clientKey = newKey('client');
  const relayKey = newKey('relay');
  const config = path.join(directory, 'relay.toml');
  writeFileSync(config, relayConfig(count, clientKey.publicKey, target.port));
  const startedAt = performance.now();
  const relay = startProgram(
    ['relay', '--config', config, '--listen', '127.0.0.1:0'],
    ['--expose-gc', `--import=data:text/javascript,${encodeURIComponent(MEMORY_PROBE)}`],
  );
  const { port } = await relay.event('listening');
  const startMs = performance.now() - startedAt;
  const client = startProgram([
    ...['client', '--relay', `127.0.0.1:${port}`, '--relay-key', relayKey.publicKey, '--key', clientKey.file],
    ...['-L', `127.0.0.1:0:127.0.0.1:${target.port}`],
  ]);
  const forward = await client.event('listening');
  await client.event('connected');
  const idleBytes = residentBytes(relay.child.pid);
  relay.child.kill('SIGUSR2');
  const { heldBytes } = await relay.event('memory');
  const result = {
    startMs,
    idleBytes,
    heldBytes,
    roundTripMs: await measureRoundTrip(forward.addresses[0].port),
    bytesPerSecond: await measureBulk(forward.addresses[0].port),
  };
  await Promise.all([client.stop(), relay.stop()]);
  return result;
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

// ---- programs ---------------------------------------------------------------------------------------------------

function newKey(name) {
  const file = path.join(directory, `${name}.key`);
  const privateKey = execFileSync(process.execPath, [PROGRAM, 'keygen']);
  writeFileSync(file, privateKey, { mode: 0o600 });
  const publicKey = execFileSync(process.execPath, [PROGRAM, 'pubkey'], { input: privateKey })
    .toString()
    .trim();
  return { file, publicKey };
}

function startProgram(programArguments, nodeArguments = []) {
  const child = spawn(process.execPath, [...nodeArguments, PROGRAM, ...programArguments], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.add(child);
  const events = [];
  const waiting = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    const event = line.startsWith('{') ? JSON.parse(line) : { event: 'text', line };
    events.push(event);
    for (const check of waiting) check();
  });
  return {
    child,
    event: (name) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const event = events.find((each) => each.event === name);
          if (event !== undefined) resolve(event);
        };
        waiting.push(check);
        child.once('exit', () => reject(new Error(`the program ended: ${JSON.stringify(events)}`)));
        check();
      }),
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      children.delete(child);
    },
  };
}

function residentBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return 1024 * Number(kilobytes);
}

// ---- memory of one peer -----------------------------------------------------------------------------------------

async function measureMemory() {
  const protocol = await import(PROTOCOL);
  const { chooseSuite, secureRandom } = await import(RUNTIME);
  const suite = await chooseSuite();
  const relayAddress = { address: '192.0.2.1', port: 51_820 };
  const clientAddress = { address: '198.51.100.1', port: 40_000 };
  let now = 1;
  const newEndpoint = (role, privateKey) =>
    new protocol.Endpoint({
      role,
      privateKey,
      suite,
      random: secureRandom,
      unixTimeMs: () => Date.now() + now,
    });
  const relay = newEndpoint('relay', secureRandom(32));
  const batch = new protocol.TransmitBatch();

  /** All that one endpoint has to send goes to the other. Streams are read, and closed when they are. */
  const deliver = (from, to, address) => {
    for (let event = from.pollEvent(); event !== undefined; event = from.pollEvent()) {
      if (event.type !== 'stream-readable') continue;
      while (event.stream.read() !== undefined);
      if (event.stream.readFinished) event.stream.finish();
    }
    while (from.pollTransmit(now, batch)) {
      for (let at = 0; at < batch.lengthBytes; at += batch.segmentBytes) {
        const end = Math.min(at + batch.segmentBytes, batch.lengthBytes);
        to.handleDatagram(now, batch.buffer.slice(at, end), address);
      }
    }
  };
  const run = (client, milliseconds) => {
    for (const end = now + milliseconds; now < end; now += 5) {
      relay.handleTimeout(now);
      client.handleTimeout(now);
      deliver(client, relay, clientAddress);
      deliver(relay, client, relayAddress);
    }
  };
  const connectTo = (key) => {
    const client = newEndpoint('client', key);
    const peer = client.addPeer({ publicKey: relay.publicKey, address: relayAddress });
    peer.connect(now);
    run(client, 100);
    return { client, peer };
  };
  const transfer = (side, endpoint) => {
    const stream = side.openStream();
    let left = MEBIBYTE;
    for (let turns = 0; left > 0 && turns < 1000; turns++) {
      left -= stream.write(Buffer.alloc(Math.min(left, 65_536)));
      run(endpoint, 5);
    }
    stream.finish();
    run(endpoint, 500);
  };
  const use = (peer, key, isBusy) => {
    const { client, peer: side } = connectTo(key);
    if (isBusy) for (const each of [side, peer]) transfer(each, client);
    if (!peer.stats().connected || peer.stats().openStreams > 0) throw new Error('the peers did not finish');
    client.destroy();
  };
  const settle = (milliseconds) => {
    for (const end = now + milliseconds; now < end; now += 1000) {
      relay.handleTimeout(now);
      while (relay.pollEvent() !== undefined);
      while (relay.pollTransmit(now, batch));
    }
  };
  const newKeys = (count) => Array.from({ length: count }, () => secureRandom(32));
  const add = (key) => relay.addPeer({ publicKey: suite.x25519PublicKey(key) });

  // Code that is compiled meanwhile would count, so it is made to run first.
  for (const [i, key] of newKeys(WARM_UP_PEERS).entries()) use(add(key), key, i % 10 === 0);
  settle(60_000);
  const unheard = newKeys(MEASURED_PEERS);
  const before = heldBytes();
  for (const publicKey of unheard) relay.addPeer({ publicKey });
  report('never heard', before, unheard.length);
  for (const isBusy of [false, true]) {
    const keys = newKeys(isBusy ? MEASURED_PEERS / 5 : MEASURED_PEERS);
    const before = heldBytes();
    for (const key of keys) use(add(key), key, isBusy);
    report(isBusy ? 'after a transfer' : 'connected', before, keys.length);
    settle(60_000);
    report('  and idle for 1 min', before, keys.length);
    settle(600_000);
    report('  and idle for 11 min', before, keys.length);
  }
}

/** The heap and what stands outside it, after everything that can go has gone. */
function heldBytes() {
  for (let i = 0; i < 5; i++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function report(name, before, count) {
  const kilobytes = (heldBytes() - before) / 1024 / count;
  process.stdout.write(`${name.padEnd(24)}${kilobytes.toFixed(1).padStart(8)} KB\n`);
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

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
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
