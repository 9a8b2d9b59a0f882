// Measures what the inspector costs a client and a relay: processor time during a paced transfer, and the time of small
// requests.
//
//   node scripts/measure-inspector.mjs [--rounds 5] [--seconds 1.5] [--megabytes 20]
//
//   --megabytes   how many megabytes a second the transfer carries: as many in each case, so that processor times compare
//
// There are two tunnels on loopback, one without --inspect and one with it. Three cases take turns, round after round:
// the first tunnel, the second while nobody looks, and the second while a page looks at the client and another at the
// relay. The pages are HTTP clients in this process. The last lines compare two cases round by round: the median of the
// differences, and between which values the middle half of them lies. Needs Linux, and a machine with nothing else to do. Exit code: 0 printed, 2 not built or wrong arguments.

import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median, TunnelPrograms } from './measuring/tunnel-programs.mjs';

const BUNDLE = fileURLToPath(new URL('../packages/cli/bundle/main.js', import.meta.url));
const REQUEST = Buffer.alloc(64, 'r');
/** How often the paced transfer sends. */
const TICK_MS = 10;
/** The start and the end of a transfer are not measured. */
const SETTLING_MS = 200;
/** How long small requests are sent, one after the other. */
const REQUESTS_MS = 400;
/** By then the code is compiled. */
const WARM_UP_SECONDS = 0.7;
const NANOSECONDS_PER_MS = 1e6;

const { rounds, seconds, megabytes } = readArguments();
if (!existsSync(BUNDLE)) fail('the program is not built: run npm run build first');
const directory = mkdtempSync(path.join(tmpdir(), 'underpass-inspector-'));
const programs = new TunnelPrograms(directory);
try {
  await main();
} finally {
  programs.killAll();
  rmSync(directory, { recursive: true });
}
process.exit();

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '1.5' },
        megabytes: { type: 'string', default: '20' },
      },
    });
    const numbers = Object.entries(values).map(([name, text]) => [name, Number(text)]);
    for (const [name, number] of numbers) if (!(number > 0)) fail(`--${name}: expected a positive number`);
    return Object.fromEntries(numbers);
  } catch (error) {
    return fail(error.message);
  }
}

function fail(message) {
  process.stderr.write(`measure-inspector: ${message}\n`);
  process.exit(2);
}

async function main() {
  const echo = await listen((socket) => socket.pipe(socket));
  const source = await listen(pace);
  const plain = await startTunnel('plain', [], echo, source);
  const watched = await startTunnel('watched', ['--inspect'], echo, source);
  const sessions = [await openSession(watched.client), await openSession(watched.relay)];
  const cases = [
    { name: 'without --inspect', tunnel: plain },
    { name: 'nobody looks', tunnel: watched },
    { name: 'two pages look', tunnel: watched, sessions },
  ];
  const results = new Map(cases.map(({ name }) => [name, []]));
  for (const one of cases) await measure(one, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    // Every other round in reverse, so that none always comes first.
    for (const one of round % 2 === 0 ? cases : cases.toReversed()) {
      results.get(one.name).push(await measure(one, seconds));
    }
  }
  print(results);
}

/** @returns what one turn cost: shares of a core in percent, and the median time of a request in ms */
async function measure({ tunnel, sessions = [] }, forSeconds) {
  const ends = await Promise.all(sessions.map(look));
  const transfer = connect(tunnel.sourcePort, '127.0.0.1');
  transfer.on('error', () => {}).resume();
  await once(transfer, 'data');
  await sleep(SETTLING_MS);
  const before = [tunnel.client, tunnel.relay].map(cpuMs);
  const bytesBefore = transfer.bytesRead;
  const startedAt = performance.now();
  await sleep(forSeconds * 1000);
  const ms = performance.now() - startedAt;
  const [client, relay] = [tunnel.client, tunnel.relay].map(
    (one, i) => (100 * (cpuMs(one) - before[i])) / ms,
  );
  const rate = (transfer.bytesRead - bytesBefore) / ms / 1000;
  transfer.destroy();
  await sleep(SETTLING_MS);
  const requestMs = await medianRequestMs(tunnel.echoPort, REQUESTS_MS);
  for (const end of ends) end();
  return { client, relay, rate, requestMs };
}

async function medianRequestMs(port, forMs) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const times = [];
  const until = performance.now() + forMs;
  while (performance.now() < until) {
    const sentAt = performance.now();
    socket.write(REQUEST);
    for (let got = 0; got < REQUEST.length; ) got += (await once(socket, 'data'))[0].length;
    times.push(performance.now() - sentAt);
  }
  socket.destroy();
  return median(times);
}

/** Sends so many bytes a second, whatever the reader does. */
function pace(socket) {
  const piece = Buffer.alloc(Math.round((megabytes * 1e6 * TICK_MS) / 1000));
  const startedAt = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.floor((performance.now() - startedAt) / TICK_MS);
    for (; sent < due && socket.writableLength < 4 * piece.length; sent++) socket.write(piece);
    sent = Math.max(sent, due - 4);
  }, TICK_MS);
  socket.on('error', () => {}).on('close', () => clearInterval(timer));
}

async function listen(serve) {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

// ---- the tunnels -------------------------------------------------------------------------------------------------

async function startTunnel(name, options, echo, source) {
  const relayKey = programs.newKey(`${name}-relay`);
  const clientKey = programs.newKey(`${name}-client`);
  const config = path.join(directory, `${name}.toml`);
  writeFileSync(
    config,
    `listen = "127.0.0.1:0"\nprivate_key_file = "${relayKey.file}"\n[[peer]]\nname = "laptop"\n` +
      `public_key = "${clientKey.publicKey}"\nallow = ["127.0.0.1:*"]\n`,
    { mode: 0o600 },
  );
  const relay = programs.start(['relay', '--config', config, ...options]);
  const { port } = await relay.event('listening');
  const client = programs.start([
    ...['client', '--relay', `127.0.0.1:${port}`, '--relay-key', relayKey.publicKey, '--key', clientKey.file],
    ...['-L', `0:127.0.0.1:${echo}`, '-L', `0:127.0.0.1:${source}`],
    ...options,
  ]);
  const portOf = async (target) => {
    const { addresses } = await client.event('listening', (event) => event.target === `127.0.0.1:${target}`);
    return addresses[0].port;
  };
  await client.event('connected');
  return { relay, client, echoPort: await portOf(echo), sourcePort: await portOf(source) };
}

/** The processor time of all threads of a process so far. */
function cpuMs({ pid }) {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const times = tasks.map(
    (task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0],
  );
  return times.reduce((sum, time) => sum + Number(time), 0) / NANOSECONDS_PER_MS;
}

// ---- the pages ---------------------------------------------------------------------------------------------------

/** Uses the link of a process, as a browser does. */
async function openSession(process) {
  const { link } = await process.event('inspect');
  const [response] = await once(get(link), 'response');
  response.resume();
  const [cookie] = response.headers['set-cookie'][0].split(';');
  const [, place] = /Path=([^;]+)/.exec(response.headers['set-cookie'][0]);
  return { url: new URL(`${place}snapshots`, link), cookie };
}

/** Asks for snapshots. @returns a function that ends it */
async function look({ url, cookie }) {
  const [response] = await once(get(url, { headers: { cookie } }), 'response');
  if (response.statusCode !== 200) throw new Error(`the inspector answers ${response.statusCode}`);
  response.on('error', () => {}).resume();
  return () => response.destroy();
}

// ---- the result --------------------------------------------------------------------------------------------------

function print(results) {
  const columns = ['client', 'relay', 'rate', 'requestMs'];
  const titles = ['client, % of a core', 'relay, % of a core', 'MB/s', 'request, p50 in ms'];
  const digits = [1, 1, 1, 3];
  const medians = new Map(
    Array.from(results, ([name, rows]) => [
      name,
      columns.map((column) => median(rows.map((row) => row[column]))),
    ]),
  );
  const line = (cells) => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  line(['', ...titles]);
  line(['---', ...titles.map(() => '---')]);
  for (const [name, values] of medians) line([name, ...values.map((value, i) => value.toFixed(digits[i]))]);
  const [plain, idle, viewed] = [...results.values()];
  compare('--inspect while nobody looks', plain, idle);
  compare('a page that looks', idle, viewed);
}

/** Prints what `after` costs more than `before`, round by round. */
function compare(what, before, after) {
  const spread = (differences, digits, unit) => {
    const sorted = differences.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))].toFixed(digits);
    return `${at(0.5)} ${unit} (${at(0.25)} to ${at(0.75)})`;
  };
  const points = (side) =>
    spread(
      after.map((row, i) => row[side] - before[i][side]),
      2,
      '% of a core',
    );
  const slower = spread(
    after.map((row, i) => 100 * (row.requestMs / before[i].requestMs - 1)),
    1,
    '%',
  );
  process.stdout.write(`${what}: client ${points('client')}, relay ${points('relay')}, requests ${slower}\n`);
}
