// Measures what `relay --workers 2` carries for eight peers, in proportion to one process.
//
//   node scripts/measure-workers.mjs [--share 0.15] [--seconds 3] [--runs 5]      (as root on Linux)
//
// All of it runs on one machine, and eight clients need far more than one relay. So each process of the relay that serves
// peers is held to a share of a core: then the relay is what limits, as it would be on a machine that serves others.
// One worker and two take turns. Exit code: 0 printed, 2 not built, wrong arguments or not possible here.

import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CoreShares, missingForShares } from './measuring/core-share.mjs';
import { median, TunnelPrograms } from './measuring/tunnel-programs.mjs';

const BUNDLE = fileURLToPath(new URL('../packages/cli/bundle/main-relay.cjs', import.meta.url));
const PEERS = 8;
const BLOCK = Buffer.alloc(64 * 1024);
/** Until V8 has compiled what carries bulk, and then until the shares show. */
const [WARM_UP_MS, SETTLE_MS] = [2_500, 1_000];

if (!existsSync(BUNDLE)) fail('the program is not built: run npm run build first');
const missing = missingForShares();
if (missing !== undefined) fail(missing);
const { share, seconds, runs } = readArguments();
const directory = mkdtempSync(path.join(tmpdir(), 'underpass-workers-'));
const programs = new TunnelPrograms(directory);
const shares = new CoreShares();
try {
  await main();
} finally {
  programs.killAll();
  rmSync(directory, { recursive: true });
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      share: { type: 'string', default: '0.15' },
      seconds: { type: 'string', default: '3' },
      runs: { type: 'string', default: '5' },
    },
  });
  const [share, seconds, runs] = [values.share, values.seconds, values.runs].map(Number);
  if (!(share > 0 && share <= 1 && seconds > 0 && runs > 0))
    fail('share, seconds and runs are numbers above 0');
  return { share, seconds, runs };
}

async function main() {
  const target = createServer((socket) => {
    socket.on('error', () => {});
    const fill = () => {
      while (!socket.destroyed && socket.write(BLOCK));
    };
    socket.on('drain', fill);
    fill();
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const rates = new Map([
    [1, []],
    [2, []],
  ]);
  for (let run = 0; run < runs; run++) {
    // Every other run in reverse, so that neither always comes first.
    for (const workers of run % 2 === 0 ? [1, 2] : [2, 1]) {
      rates.get(workers).push(await measure(workers, target.address().port));
    }
  }
  target.close();
  for (const [workers, all] of rates) {
    const figures = all.map((rate) => (rate / 1e6).toFixed(0)).join(', ');
    process.stdout.write(`workers ${workers}: ${(median(all) / 1e6).toFixed(0)} MB/s (${figures})\n`);
  }
  const ratios = rates.get(2).map((rate, run) => rate / rates.get(1)[run]);
  process.stdout.write(`ratio: ${median(ratios).toFixed(2)}, run by run\n`);
}

/** @returns bytes per second of all peers together */
async function measure(workers, targetPort) {
  const relayKey = programs.newKey('relay');
  const keys = Array.from({ length: PEERS }, (_, i) => programs.newKey(`peer-${i}`));
  const config = path.join(directory, 'relay.toml');
  writeFileSync(config, relayConfig(keys, targetPort));
  const relay = programs.start(['relay', '--config', config, '--workers', String(workers)]);
  const { port } = await relay.event('listening');
  const tunnels = keys.map(({ file }) =>
    programs.start([
      ...['client', '--relay', `127.0.0.1:${port}`, '--relay-key', relayKey.publicKey, '--key', file],
      ...['-L', `127.0.0.1:0:127.0.0.1:${targetPort}`],
    ]),
  );
  let bytes = 0;
  const sockets = [];
  for (const tunnel of tunnels) {
    const { addresses } = await tunnel.event('listening');
    await tunnel.event('connected');
    const socket = connect({ port: addresses[0].port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    sockets.push(socket);
  }
  await pause(WARM_UP_MS);
  for (const pid of workers === 1 ? [relay.pid] : childrenOf(relay.pid)) shares.hold(pid, share);
  await pause(SETTLE_MS);
  const [before, from] = [bytes, performance.now()];
  await pause(seconds * 1000);
  const rate = ((bytes - before) * 1000) / (performance.now() - from);
  for (const socket of sockets) socket.destroy();
  await Promise.all([relay, ...tunnels].map((program) => program.stop()));
  shares.release();
  return rate;
}

function relayConfig(keys, targetPort) {
  const peers = keys.map(
    ({ publicKey }, i) =>
      `[[peer]]\nname = "peer-${i}"\npublic_key = "${publicKey}"\nallow = ["127.0.0.1:${targetPort}"]\n`,
  );
  return ['listen = "127.0.0.1:0"\nprivate_key_file = "relay.key"\n', ...peers].join('\n');
}

/** The workers of a relay. */
function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

function fail(message) {
  process.stderr.write(`measure-workers: ${message}\n`);
  process.exit(2);
}
